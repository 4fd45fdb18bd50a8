"""`posture programme`: the exercise programme on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posture.vocabulary import InputError

if TYPE_CHECKING:
    from analysis.programme.advice import Advice
    from analysis.programme.days import Days
    from analysis.programme.diary import Entry
    from analysis.programme.pack import Pack, Practice
    from analysis.programme.progress import Progress, Standing

app = typer.Typer(
    help="""The exercise programme: what there is, where you stand, what comes next and why.

The programme is a content pack that a clinician can replace (--pack).
Until the program keeps a log of its own, give yours with --log.

Without one of the commands it shows the plan.

Example: posture programme next --log log.toml --days results"""
)

PackOption = Annotated[
    Path | None,
    typer.Option("--pack", help="Folder of another content pack. Default: the shipped one.", show_default=False),
]
LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        help="Your log: TOML with [[entry]] tables, or JSON lines; docs/programme.md shows one.",
        show_default=False,
    ),
]
DaysOption = Annotated[
    Path | None,
    typer.Option(
        "--days",
        help="Folder with results of posture replay, or of such folders; habits and wins come from there.",
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
        plan(log=None, pack=None, day=None)


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
def plan(log: LogOption = None, pack: PackOption = None, day: DateOption = None) -> None:
    """Where you stand: each exercise with its step, target, load and gate.

    Example: posture programme plan --log log.toml
    """
    from analysis.programme.pack import load_pack
    from analysis.programme.progress import progress

    loaded, entries = load_pack(pack), _log(log)
    today = _today(day, entries, None)
    at = progress(loaded, entries, today)
    lines = [f"As of {today}: stage {at.stage}. {_adherence(loaded, at)}"]
    if at.stop is not None:
        _say(*lines, f"You noted: {at.stop.what}. {at.stop.text}", loaded.notice)
        return
    routines = [p for p in loaded.practices if p.kind == "routine" and not p.after]
    lines += [f"Every stage: {', '.join(f'{p.name} ({p.dose.text()})' for p in routines)}."] if routines else []
    for standing in at.standings:
        lines += _standing_lines(loaded, standing)
    _say(*lines, "", loaded.not_medical)


@app.command("next")
def next_(log: LogOption = None, days: DaysOption = None, pack: PackOption = None, day: DateOption = None) -> None:
    """Tonight's practice and tomorrow's focus; with --days also the day's win and habits.

    Example: posture programme next --log log.toml --days results
    """
    loaded, advice, at, left_out = _advised(log, days, pack, day)
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
def why(log: LogOption = None, days: DaysOption = None, pack: PackOption = None, day: DateOption = None) -> None:
    """Every rule with the numbers that made it speak or not, and every change of level.

    Example: posture programme why --log log.toml --days results
    """
    loaded, advice, at, left_out = _advised(log, days, pack, day)
    lines = [f"Rules on {advice.day}:"]
    lines += [f"  {o.rule:5}{o.state.value:9} {o.why}" for o in advice.outcomes]
    lines.append("Changes of level:")
    lines += [f"  {d.day} {d.text}" for d in at.decisions] or ["  none yet"]
    _say(*lines, *left_out, "", loaded.not_medical)


def _advised(
    log: Path | None, folder: Path | None, pack: Path | None, day: str | None
) -> tuple[Pack, Advice, Progress, list[str]]:
    from analysis.programme.days import advised, read_days
    from analysis.programme.pack import load_pack
    from analysis.programme.progress import progress

    loaded, entries = load_pack(pack), _log(log)
    found = read_days(folder) if folder is not None else None
    today = _today(day, entries, found)
    advice = advised(loaded, found.by_day if found else {}, entries, today)
    left_out = [f"Left out, no clock in it: {path}" for path in found.without_clock] if found else []
    return loaded, advice, progress(loaded, entries, today), left_out


def _log(path: Path | None) -> tuple[Entry, ...]:
    from analysis.programme.diary import read_log

    return read_log(path) if path is not None else ()


def _today(text: str | None, entries: Sequence[Entry], days: Days | None) -> date:
    if text is not None:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise InputError(f"--date {text!r} is no day; write it as 2026-03-02") from None
    known = [e.day for e in entries] + list(days.by_day if days else ())
    return max(known, default=date.today())


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
