"""A log entry against a pack: names that it does not have are refused, and what it says to an entry at once."""

from __future__ import annotations

from analysis.programme.diary import AvoidEntry, Entry, ExerciseEntry, PracticeEntry
from analysis.programme.pack import Pack, Practice, meant
from posture.types import InputError


def answer(pack: Pack, entry: Entry) -> str:
    """What the pack says to an entry at once, empty for most. InputError with the nearest name for one that it does not have."""
    if isinstance(entry, ExerciseEntry):
        practice = _practice(pack, entry.exercise, "exercise")
        if (entry.step or 1) > len(practice.steps):
            raise InputError(
                f"{practice.id} has {len(practice.steps)} steps, not {entry.step}: posture programme list {practice.id}"
            )
    if isinstance(entry, PracticeEntry):
        dose = _practice(pack, entry.practice, "routine").dose
        if dose.max_s is not None and (entry.minutes or 0) * 60 > dose.max_s:
            return f"That is longer than the {dose.text()} of your programme."
    if isinstance(entry, AvoidEntry):
        swaps = {a.tag: a.swap for a in pack.avoids}
        if entry.tag not in swaps:
            raise InputError(
                f"the programme's list of what it leaves out has no {entry.tag!r}{meant(entry.tag, swaps)}"
            )
        return f"Your programme suggests instead: {swaps[entry.tag]}."
    return ""


_COMMANDS = {"exercise": "an exercise", "routine": "a practice"}
"""Kind of a practice: what it is logged as."""


def _practice(pack: Pack, word: str, kind: str) -> Practice:
    found = next((p for p in pack.practices if p.id == word), None)
    if found is not None and found.kind == kind:
        return found
    if found is not None:
        said = _COMMANDS[found.kind]
        raise InputError(f"{word} is logged as {said}: posture log {said.split()[1]} {word}")
    known = [p.id for p in pack.practices if p.kind == kind]
    raise InputError(f"the programme has no {_COMMANDS[kind].split()[1]} {word!r}{meant(word, known)}")
