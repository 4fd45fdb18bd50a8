"""`posture workout`: tells the running monitor that what follows is exercise."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from posture.app.options import PackOption, PersonOption
from posture.vocabulary import InputError

app = typer.Typer(
    help="""Declare a workout to the running monitor.

From start to stop what you do counts as exercise and not as daily
life. posture run must be running; it reads the declaration from the
store.

Example: posture workout start squat"""
)


@app.command()
def start(
    exercise: Annotated[
        str | None,
        typer.Argument(
            metavar="EXERCISE",
            help="Its id; posture programme list shows them. Default: whatever is found.",
            show_default=False,
        ),
    ] = None,
    side: Annotated[
        Literal["left", "right"] | None,
        typer.Option("--side", help="Which side, where that matters.", show_default=False),
    ] = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """From now on it is exercise.

    Example: posture workout start reverse_lunge --side left
    """
    from analysis.programme.pack import load_pack
    from posture.app.log import id_of
    from posture.app.summary import say
    from posture.store import Store

    word = None if exercise is None else load_pack(pack).practice(id_of(exercise)).id
    path = _monitored(person)
    with Store(path) as store:
        if all(session.end_utc is not None for session in store.sessions()):
            raise InputError("no monitor is running to hear of a workout: start posture run first")
        store.diary.start_workout(word, side=side, at_utc=datetime.now(UTC))
    say(f"Workout{f' of {word}' if word else ''} begun. Next: posture workout stop")


@app.command()
def stop(person: PersonOption = None) -> None:
    """The workout is over; daily life counts again."""
    from posture.app.summary import say
    from posture.store import Store

    now = datetime.now(UTC)
    with Store(_monitored(person)) as store:
        done = store.diary.stop_workout(now)
    minutes = (now - done.started_utc).total_seconds() / 60
    say(f"Workout{f' of {done.exercise}' if done.exercise else ''} ended after {minutes:.0f} min.")
    say("Next: posture log exercise, with how it felt")


def _monitored(person: str | None) -> Path:
    from posture.app.places import store_path

    path = store_path(person)
    if not path.exists():
        raise InputError("no monitor has run yet: start posture run first")
    return path
