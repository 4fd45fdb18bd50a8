"""Where someone stands in the programme: a fold over the log, pure, and every decision is a sentence.

A workout is a day's sets of one exercise; its worst set or side counts. What was not written down does not count as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from statistics import median

from analysis.programme.diary import (
    ClearanceEntry,
    Entry,
    ExerciseEntry,
    PainEntry,
    PracticeEntry,
    RedFlagEntry,
)
from analysis.programme.pack import Pack, Practice, Window

Decide = Callable[[str, str], None]
METRICS: tuple[tuple[str, str, int], ...] = (
    ("clean_reps", "clean reps", -1),
    ("first_failed_rep", "the first failed rep", -1),
    ("depth_deg", "depth (deg)", -1),
    ("tempo_s", "seconds a rep", -1),
    ("drift_deg", "drift (deg)", 1),
)
"""Field of a workout, its name for reading, and which way is worse."""
METRIC_DAYS = 5
"""Workouts before the one with pain, with which it is compared. Provisional: ours."""
METRIC_MOVE_MIN = 0.1
"""Share of its own usual value by which a number must have moved to be named. Provisional: ours."""


@dataclass(frozen=True, slots=True)
class Workout:
    """A day's sets of one exercise. pain_rise : of 10, pain in the worst set above that before it; None not known.

    fails_known : whether clean reps or a first failed rep were written down, so that no failure means none.
    """

    day: date
    exercise: str
    reps: int
    clean_reps: int | None
    first_failed_rep: int | None
    pain: int | None
    pain_rise: int | None
    step: int | None = None
    load_kg: float | None = None
    tempo_s: float | None = None
    depth_deg: float | None = None
    drift_deg: float | None = None

    @property
    def fails_known(self) -> bool:
        """True where form was judged at all."""
        return self.clean_reps is not None or self.first_failed_rep is not None


@dataclass(frozen=True, slots=True)
class Decision:
    """What changed, when and why. kind : `opened`, `closed`, `step_up`, `step_down`, `load_up`, `load_down`, `gate`, `early`."""

    day: date
    exercise: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One exercise today. step : 1 is the easiest. passed, counted : of the last workouts at this step and load.

    target_reps : of the next set.
    """

    practice: Practice
    open: bool
    step: int
    target_reps: int
    load_kg: float | None
    gate_passed: bool
    passed: int
    counted: int
    last_day: date | None
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The programme rests. kind : `red_flag` or `pain`."""

    kind: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """All of it. stage : the highest that is open. streak_days : days with practice in a row, pain days left out."""

    stage: str
    standings: tuple[Standing, ...]
    decisions: tuple[Decision, ...]
    workouts: tuple[Workout, ...]
    streak_days: int
    frozen_days: int
    pain_free_days: int | None
    plan_done_pct: float
    stop: Stop | None

    def standing(self, exercise: str) -> Standing | None:
        """Of one exercise; None for a routine."""
        return next((s for s in self.standings if s.practice.id == exercise), None)


@dataclass(slots=True)
class _Track:
    """The state of one exercise while the log is read. step : 0 is the easiest. window : workouts at this step and load."""

    practice: Practice
    open: bool
    step: int = 0
    target_reps: int = 0
    load_kg: float | None = None
    load_since: date | None = None
    gate_day: date | None = None
    window: list[Workout] = field(default_factory=list)
    seen: list[Workout] = field(default_factory=list)
    why: str = ""


def progress(pack: Pack, entries: Sequence[Entry], today: date) -> Progress:
    """Fold the entries up to and including `today`."""
    entries = [e for e in entries if e.day <= today]
    done = workouts(entries)
    tracks, decisions = _folded(pack, done)
    frozen, streak = _streak(pack, entries, today)
    since = today - timedelta(days=pack.plan.window_days - 1)
    days = {w.day for w in done if w.day >= since}
    standings = tuple(_standing(pack, t) for t in tracks.values())
    return Progress(
        stage=[s.practice.stage for s in standings if s.open][-1],
        standings=standings,
        decisions=tuple(decisions),
        workouts=done,
        streak_days=streak,
        frozen_days=frozen,
        pain_free_days=pain_free_days(entries),
        plan_done_pct=100 * len(days) / (pack.plan.workouts_per_week * pack.plan.window_days / 7),
        stop=stop_of(pack, entries),
    )


def workouts(entries: Sequence[Entry]) -> tuple[Workout, ...]:
    """Sets joined by day and exercise, in order of day."""
    found: dict[tuple[date, str], list[tuple[ExerciseEntry, int | None]]] = {}
    before: PainEntry | None = None
    for entry in entries:
        if isinstance(entry, PainEntry):
            before = entry
        elif isinstance(entry, ExerciseEntry):
            found.setdefault((entry.day, entry.exercise), []).append((entry, _rise(entry, before)))
    return tuple(_workout(sets) for _, sets in sorted(found.items(), key=lambda item: item[0][0]))


def _rise(entry: ExerciseEntry, before: PainEntry | None) -> int | None:
    """Pain in the set above that before it: as written, else the last asked within a day. No pain in the set is no rise."""
    if entry.pain is None:
        return None
    if entry.pain_before is not None:
        return entry.pain - entry.pain_before
    if before is not None and entry.day - before.day <= timedelta(days=1):
        return entry.pain - before.level
    return 0 if entry.pain == 0 else None


def _workout(sets: Sequence[tuple[ExerciseEntry, int | None]]) -> Workout:
    """The worst of the sets; a number that one set lacks is not known where that could hide a worse one."""
    entries = [e for e, _ in sets]
    clean, rises = [e.clean_reps for e in entries], [r for _, r in sets]
    risen = [r for r in rises if r is not None]
    rise = max(risen, default=None)
    if len(risen) < len(rises) and (rise is None or rise <= 0):
        rise = None
    return Workout(
        day=entries[0].day,
        exercise=entries[0].exercise,
        reps=min(e.reps for e in entries),
        clean_reps=None if None in clean else min(c for c in clean if c is not None),
        first_failed_rep=_least(e.first_failed_rep for e in entries),
        pain=max((e.pain for e in entries if e.pain is not None), default=None),
        pain_rise=rise,
        step=_least(e.step for e in entries),
        load_kg=max((e.load_kg for e in entries if e.load_kg is not None), default=None),
        tempo_s=min((e.tempo_s for e in entries if e.tempo_s is not None), default=None),
        depth_deg=min((e.depth_deg for e in entries if e.depth_deg is not None), default=None),
        drift_deg=max((e.drift_deg for e in entries if e.drift_deg is not None), default=None),
    )


def _least(values: Iterable[int | None]) -> int | None:
    return min((v for v in values if v is not None), default=None)


def passes(workout: Workout, window: Window, practice: Practice) -> bool:
    """Enough clean reps (reps, where no one can count clean ones) and no more pain; what is not known does not pass."""
    clean = workout.clean_reps if practice.counts_clean_reps else workout.reps
    return clean is not None and clean >= window.clean_reps and workout.pain_rise is not None and workout.pain_rise <= 0


def count_passed(window: Sequence[Workout], gate: Window, practice: Practice) -> tuple[int, int]:
    """How many of the last workouts passed, and of how many."""
    last = window[-gate.workouts :]
    return sum(passes(w, gate, practice) for w in last), len(last)


def _folded(pack: Pack, done: Sequence[Workout]) -> tuple[dict[str, _Track], list[Decision]]:
    tracks = {
        p.id: _Track(
            p,
            open=not p.after,
            target_reps=p.dose.reps or 1,
            load_kg=p.load.start_kg if p.load else None,
            why="Open from the start." if not p.after else "",
        )
        for p in pack.exercises
    }
    decisions: list[Decision] = []
    for day, group in groupby(done, key=lambda w: w.day):
        for workout in group:
            if workout.exercise in tracks:
                decisions += _after(pack, tracks, workout)
        decisions += _opened(pack, tracks, day)
    return tracks, decisions


def _after(pack: Pack, tracks: dict[str, _Track], workout: Workout) -> list[Decision]:
    """What one workout changes for its exercise."""
    track = tracks[workout.exercise]
    practice, name = track.practice, track.practice.name
    found: list[Decision] = []

    def decide(kind: str, text: str) -> None:
        found.append(Decision(workout.day, practice.id, kind, text))

    if not track.open:
        missing = [tracks[q].practice.name for q in practice.after if tracks[q].gate_day is None]
        decide("early", f"The {name} was done before its gate; your programme suggests first: {', '.join(missing)}.")
    if workout.step is not None and workout.step - 1 != track.step:
        track.step = min(workout.step, len(practice.steps)) - 1
        track.window = []
    if practice.load and workout.load_kg is not None and workout.load_kg != track.load_kg:
        track.load_kg, track.load_since, track.window = workout.load_kg, workout.day, []
    track.load_since = track.load_since or workout.day
    if workout.pain_rise is not None and workout.pain_rise > 0:
        moved = moved_metric(track.seen, workout)
        track.seen.append(workout)
        _ease(tracks, track, decide, f"because pain rose by {workout.pain_rise} of 10; {moved}")
        return found
    track.seen.append(workout)
    track.window.append(workout)
    track.target_reps = next_target(practice, workout, track.target_reps)
    last_step = track.step == len(practice.steps) - 1
    passed, counted = count_passed(track.window, pack.gate, practice)
    if last_step and passed >= pack.gate.passed:
        if track.gate_day is None:
            track.gate_day = workout.day
            decide(
                "gate",
                f"The gate of the {name} is passed: {passed} of the last {counted} workouts were clean without more pain.",
            )
        if practice.load and track.load_kg is not None and (workout.day - track.load_since).days >= practice.load.days:
            track.load_kg, track.load_since, track.window = track.load_kg + practice.load.step_kg, workout.day, []
            decide(
                "load_up",
                f"The {name} goes to {track.load_kg:g} kg: {passed} of the last {counted} workouts at the load before passed.",
            )
    elif not last_step:
        passed, counted = count_passed(track.window, pack.step, practice)
        if passed >= pack.step.passed:
            track.step, track.window = track.step + 1, []
            decide(
                "step_up",
                f"The {name} goes one step up, to \"{practice.steps[track.step]}\": "
                f"{passed} of the last {counted} workouts passed.",
            )  # fmt: skip
    return found


def _ease(tracks: dict[str, _Track], track: _Track, decide: Decide, because: str) -> None:
    """Pain means easier: less load, else one step down, else back to what opens this exercise, else half the reps."""
    practice, name = track.practice, track.practice.name
    track.window, track.gate_day = [], None
    if practice.load and track.load_kg:
        track.load_kg = max(0.0, track.load_kg - practice.load.step_kg)
        track.load_since = None
        decide("load_down", f"The {name} goes down to {track.load_kg:g} kg, {because}.")
    elif track.step > 0:
        track.step -= 1
        decide("step_down", f'The {name} goes one step down, to "{practice.steps[track.step]}", {because}.')
    elif practice.after:
        track.open = False
        for q in practice.after:
            tracks[q].gate_day, tracks[q].window = None, []
        names = " and ".join(tracks[q].practice.name for q in practice.after)
        track.why = f"Left out for now, {because}; it opens again when the gate of {names} is passed anew."
        decide("closed", f"The {name} is left out for now and {names} practised instead, {because}.")
    else:
        track.target_reps = max(1, track.target_reps // 2)
        decide("step_down", f"The {name} goes down to {track.target_reps} reps, {because}.")


def _opened(pack: Pack, tracks: dict[str, _Track], day: date) -> list[Decision]:
    found = []
    for track in tracks.values():
        if not track.open and all(tracks[q].gate_day is not None for q in track.practice.after):
            track.open = True
            names = " and ".join(tracks[q].practice.name for q in track.practice.after)
            g = pack.gate
            track.why = f"Opened on {day}: {names} passed {g.passed} of the last {g.workouts} workouts."
            found.append(
                Decision(
                    day,
                    track.practice.id,
                    "opened",
                    f"The {track.practice.name} is open: the gate of {names} is passed.",
                )
            )
    return found


def next_target(practice: Practice, workout: Workout, before: int) -> int:
    """Reps of the next set: one before the first that failed; one more after a set without failure; the dose at most."""
    dose = practice.dose.reps or 1
    if workout.first_failed_rep is not None:
        return max(1, min(dose, workout.first_failed_rep - 1))
    if not practice.counts_clean_reps or workout.fails_known:
        return min(dose, max(before, workout.reps) + 1)
    return before


def moved_metric(seen: Sequence[Workout], workout: Workout) -> str:
    """Which number moved most for the worse against the median of the last workouts, in words."""
    found: list[tuple[float, str]] = []
    for name, words, worse in METRICS:
        now = getattr(workout, name)
        usual = [getattr(w, name) for w in seen[-METRIC_DAYS:] if getattr(w, name) is not None]
        if now is None or not usual or not median(usual):
            continue
        was = float(median(usual))
        change = worse * (now - was) / abs(was)
        if change >= METRIC_MOVE_MIN:
            found.append((change, f"{words} went from {was:.3g} to {now:.3g}"))
    return max(found)[1] if found else "no measured number moved"


def _standing(pack: Pack, track: _Track) -> Standing:
    passed, counted = count_passed(track.window, pack.gate, track.practice)
    names = " and ".join(pack.practice(q).name for q in track.practice.after)
    waits = "" if track.open or track.why else f"Opens when the gate of {names} is passed."
    return Standing(
        practice=track.practice,
        open=track.open,
        step=track.step + 1,
        target_reps=track.target_reps,
        load_kg=track.load_kg,
        gate_passed=track.gate_day is not None,
        passed=passed,
        counted=counted,
        last_day=track.seen[-1].day if track.seen else None,
        why=track.why or waits,
    )


def pain_free_days(entries: Sequence[Entry]) -> int | None:
    """Days from the first to the last entry of 0 since the last pain, both in; None: never asked; 0: it is there."""
    told = [e for e in entries if isinstance(e, PainEntry)]
    told += [PainEntry(day=e.day, level=e.pain) for e in entries if isinstance(e, ExerciseEntry) and e.pain is not None]
    if not told:
        return None
    last = max((e.day for e in told if e.level > 0 or e.leg), default=date.min)
    free = [e.day for e in told if e.day > last]
    return (max(free) - min(free)).days + 1 if free else 0


def _pain_days(pack: Pack, entries: Sequence[Entry]) -> set[date]:
    hurt = {e.day for e in entries if isinstance(e, PainEntry) and (e.level >= pack.safety.pain_day or e.leg)}
    hurt |= {e.day for e in entries if isinstance(e, ExerciseEntry) and (e.pain or 0) >= pack.safety.pain_day}
    return hurt | {e.day for e in entries if isinstance(e, RedFlagEntry)}


def _streak(pack: Pack, entries: Sequence[Entry], today: date) -> tuple[int, int]:
    """Pain days that froze the streak, and its days. Today without practice does not break it; the day is not over."""
    did = {e.day for e in entries if isinstance(e, ExerciseEntry | PracticeEntry)}
    hurt = _pain_days(pack, entries)
    day, frozen, streak, pending = today, 0, 0, 0
    while did and day >= min(did):
        if day in did:
            streak, frozen, pending = streak + 1, frozen + pending, 0
        elif day in hurt:
            pending += 1
        elif day != today:
            break
        day -= timedelta(days=1)
    return frozen, streak


def stop_of(pack: Pack, entries: Sequence[Entry]) -> Stop | None:
    """A red flag until a clearance; else strong or spreading pain until pain is written down that is neither."""
    flags: list[str] = []
    pain: Stop | None = None
    text = pack.texts.pain_stop.replace("{pain_stop}", str(pack.safety.pain_stop))
    for entry in entries:
        if isinstance(entry, RedFlagEntry):
            flags.append(entry.what)
        elif isinstance(entry, ClearanceEntry):
            flags = []
        elif isinstance(entry, PainEntry):
            strong = entry.level >= pack.safety.pain_stop
            what = "pain that spreads into a leg" if entry.leg else f"pain of {entry.level}/10"
            pain = Stop("pain", what, text) if strong or entry.leg else None
        elif isinstance(entry, ExerciseEntry) and entry.pain is not None and entry.pain >= pack.safety.pain_stop:
            pain = Stop("pain", f"pain of {entry.pain}/10", text)
    return Stop("red_flag", ", ".join(flags), pack.texts.stop) if flags else pain


def next_exercise(at: Progress, wanted: str | None = None) -> Standing | None:
    """What to practise: the wanted exercise if it is open, else what leads to it; None while the programme rests.

    Without a wish: the simplest open exercise whose gate is not passed, then the one that was left longest.
    """
    if at.stop is not None:
        return None
    standings = {s.practice.id: s for s in at.standings}
    if wanted is not None and wanted in standings:
        here = standings[wanted]
        while not here.open:
            before = [standings[q] for q in here.practice.after]
            here = next((s for s in before if not s.gate_passed), before[0])
        return here
    ready = [s for s in at.standings if s.open]
    due = [s for s in ready if not s.gate_passed]
    if due:
        beside = [s for s in due if s.practice.after == due[0].practice.after]  # opened by the same gate: in turn
        return min(beside, key=lambda s: s.last_day or date.min)
    return min(ready, key=lambda s: s.last_day or date.min)
