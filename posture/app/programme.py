"""`posture programme`: the exercise programme on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from posture.app.options import PackOption, PersonOption, day_of, today

if TYPE_CHECKING:
    from analysis.programme.advice import Advice
    from analysis.programme.diary import Entry
    from analysis.programme.pack import Pack, Practice
    from analysis.programme.progress import Progress, Standing
    from posture.store import Store

T = TypeVar("T")

app = typer.Typer(
    help="""The exercise programme: what there is, where you stand, what comes next and why.

The programme is a content pack that a clinician can replace (--pack).
It goes by your log (posture log) and by the days that the monitor kept.

Without one of the commands it shows the plan.

Example: posture programme next"""
)

LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        help="A log file instead of the store: TOML with [[entry]] tables, or JSON lines; docs/programme.md shows one.",
        show_default=False,
    ),
]
DaysOption = Annotated[
    Path | None,
    typer.Option(
        "--days",
        help="Days instead of those in the store: a folder with results of posture replay, or of such folders.",
        show_default=False,
    ),
]
DateOption = Annotated[
    str | None,
    typer.Option(
        "--date", help="As of which day (2026-03-02). Default: the last of the log and the days.", show_default=False
    ),
]


@app.callback(invoke_without_command=True)
def _top(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        plan(log=None, pack=None, day=None, person=None)


@app.command("list")
def list_(
    practice: Annotated[
        str | None, typer.Argument(metavar="PRACTICE", help="Its id, for all about it.", show_default=False)
    ] = None,
    pack: PackOption = None,
) -> None:
    """What the programme holds: practices by stage, what it leaves out, and its source.

    Example: posture programme list squat
    """
    from analysis.programme.pack import load_pack

    loaded = load_pack(pack)
    if practice is not None:
        _say(*_practice_lines(loaded.practice(practice)), "", loaded.not_medical)
        return
    width = max(len(p.id) for p in loaded.practices) + 2
    lines = [f"{loaded.name} ({loaded.id}, version {loaded.version})", loaded.source, ""]
    lines += [f"{p.stage:4} {p.id:{width}}{p.dose.text()}{f'; {p.twin}' if p.twin else ''}" for p in loaded.practices]
    lines += ["", "Left out, and what is suggested instead:"]
    lines += [f"  {a.name}: {a.swap}" for a in loaded.avoids]
    lines += ["", *loaded.evidence, "", loaded.notice]
    _say(*lines, "Next: posture programme list PRACTICE, for cues, limits and what the sensors check")


@app.command()
def plan(log: LogOption = None, pack: PackOption = None, day: DateOption = None, person: PersonOption = None) -> None:
    """Where you stand: each exercise with its step, target, load and gate.

    Example: posture programme plan
    """
    from analysis.programme.pack import load_pack
    from analysis.programme.progress import progress

    loaded, entries = load_pack(pack), _log(log, person)
    on = _as_of(day, entries, ())
    at = progress(loaded, entries, on)
    lines = [f"As of {on}: stage {at.stage}. {_adherence(loaded, at)}"]
    if at.stop is not None:
        _say(*lines, f"You noted: {at.stop.what}. {at.stop.text}", loaded.notice)
        return
    routines = [p for p in loaded.practices if p.kind == "routine" and not p.after]
    lines += [f"Every stage: {', '.join(f'{p.name} ({p.dose.text()})' for p in routines)}."] if routines else []
    for standing in at.standings:
        lines += _standing_lines(loaded, standing)
    _say(*lines, "", loaded.not_medical)


@app.command("next")
def next_(
    log: LogOption = None,
    days: DaysOption = None,
    pack: PackOption = None,
    day: DateOption = None,
    person: PersonOption = None,
) -> None:
    """The day's win and habits, tonight's practice and tomorrow's focus.

    Example: posture programme next
    """
    loaded, advice, at, left_out = _advised(log, days, pack, day, person)
    lines = [
        f"{advice.day}:",
        *(f"What went well: {o.text}" for o in [advice.win] if o),
        *(o.text for o in advice.habits),
    ]
    if advice.practice is not None:
        standing = at.standing(advice.practice)
        lines.append(advice.practice_why)
        lines += _how(loaded.practice(advice.practice), standing)
    lines += [t for t in (advice.focus, advice.notice) if t]
    _say(*lines, *left_out, "", loaded.notice if advice.notice else loaded.not_medical)


@app.command()
def why(
    log: LogOption = None,
    days: DaysOption = None,
    pack: PackOption = None,
    day: DateOption = None,
    person: PersonOption = None,
) -> None:
    """Every rule with the numbers that made it speak or not, and every change of level.

    Example: posture programme why --date 2026-03-02
    """
    loaded, advice, at, left_out = _advised(log, days, pack, day, person)
    lines = [f"Rules on {advice.day}:"]
    lines += [f"  {o.rule:5}{o.state.value:9} {o.why}" for o in advice.outcomes]
    lines.append("Changes of level:")
    lines += [f"  {d.day} {d.text}" for d in at.decisions] or ["  none yet"]
    _say(*lines, *left_out, "", loaded.not_medical)


def _advised(
    log: Path | None, folder: Path | None, pack: Path | None, day: str | None, person: str | None
) -> tuple[Pack, Advice, Progress, list[str]]:
    from analysis.programme.days import HISTORY_DAYS, advised, read_days
    from analysis.programme.pack import load_pack
    from analysis.programme.progress import progress
    from analysis.stored import summaries_of

    loaded, entries = load_pack(pack), _log(log, person)
    if folder is not None:
        found = read_days(folder)
        known, left_out = found.by_day, [f"Left out, no clock in it: {path}" for path in found.without_clock]
    else:
        until = today() if day is None else day_of(day, "--date")
        known, left_out = _stored(person, lambda store: summaries_of(store, until, HISTORY_DAYS)) or {}, []
    on = _as_of(day, entries, known)
    return loaded, advised(loaded, known, entries, on), progress(loaded, entries, on), left_out


def _log(path: Path | None, person: str | None) -> tuple[Entry, ...]:
    from analysis.programme.diary import read_log
    from analysis.stored import entries_of

    return read_log(path) if path is not None else _stored(person, entries_of) or ()


def _stored(person: str | None, ask: Callable[[Store], T]) -> T | None:
    """What the store knows; None where there is none yet."""
    from posture.app.places import store_path
    from posture.store import Store

    path = store_path(person)
    if not path.exists():
        return None
    with Store(path) as store:
        return ask(store)


def _as_of(text: str | None, entries: Sequence[Entry], days: Iterable[date]) -> date:
    """The day asked for, else the last of which something is known."""
    return day_of(text, "--date") if text is not None else max([*(e.day for e in entries), *days], default=today())


def _adherence(pack: Pack, at: Progress) -> str:
    frozen = f" ({at.frozen_days} pain days frozen)" if at.frozen_days else ""
    return (
        f"{at.plan_done_pct:.0f} % of the plan of the last {pack.plan.window_days} days done; "
        f"days of practice in a row: {at.streak_days}{frozen}."
    )


def _standing_lines(pack: Pack, at: Standing) -> list[str]:
    practice, gate = at.practice, pack.gate
    if not at.open:
        return [f"{practice.stage:4} {practice.name}: not open. {at.why}"]
    load = f", {at.load_kg:g} kg" if at.load_kg is not None else ""
    side = " each side" if practice.dose.per_side else ""
    needs = f"gate: {gate.passed} of the last {gate.workouts} workouts at the last step must pass"
    state = "gate passed" if at.gate_passed else f"{needs}; at this step {at.passed} of {at.counted} did"
    step = f"step {at.step} of {len(practice.steps)}, {practice.steps[at.step - 1]}"
    return [f"{practice.stage:4} {practice.name}: {at.target_reps} reps{side}{load}; {step}; {state}. {at.why}"]


def _how(practice: Practice, at: Standing | None) -> list[str]:
    lines = [f"  Step {at.step} of {len(practice.steps)}: {practice.steps[at.step - 1]}."] if at else []
    return lines + [f"  {text}" for text in (*practice.cues, *practice.limits)]


def _practice_lines(practice: Practice) -> list[str]:
    lines = [f"{practice.name} ({practice.id}), stage {practice.stage}: {practice.dose.text()}"]
    if practice.load:
        load = practice.load
        lines.append(
            f"Load: from {load.start_kg:g} kg, {load.step_kg:g} kg more after {load.days} days at the earliest"
        )
    if practice.after:
        lines.append(f"Opens after: {', '.join(practice.after)}")
    for head, texts in (
        ("Steps, easiest first", practice.steps),
        ("Cues", practice.cues),
        ("Limits", practice.limits),
        ("Common errors", practice.errors),
        ("In daily life", (practice.twin,) if practice.twin else ()),
        ("One sensor checks", (practice.one_sensor,)),
        ("Two sensors check", (practice.two_sensors,)),
        ("Harder", (practice.progression,)),
        ("Easier", (practice.regression,)),
    ):
        if texts:
            lines += [f"{head}:", *(f"  {text}" for text in texts)]
    return lines


def _say(*lines: str) -> None:
    from posture.app.summary import say

    for line in lines:
        say(line)
