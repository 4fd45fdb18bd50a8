"""Commands that talk to the running monitor: status, snooze, pause, resume, wrong. What it makes of them: `posture.app.asked`."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from posture.app.exits import Commands
from posture.app.options import PersonOption
from posture.vocabulary import AlertKind, InputError

if TYPE_CHECKING:
    from posture.store import Store, StoredSession
    from posture.types import JsonValue

SNOOZE_MIN = 30.0
"""min of a snooze for which nothing else was said; design: 15, 30 or 60."""
HEARD_S = 5.0
"""The monitor looks once a second; one that has not answered by then does not run any more, or cannot reach its store."""
_LOOK_S = 0.05
ANSWER_WITHIN = timedelta(hours=24)
"""How old an alert may be that `posture wrong` finds. Ours: what was felt is forgotten by then."""
WRONG, RIGHT = "wrong", "right"
"""Answers to an alert; the last one counts."""

app = typer.Typer(cls=Commands)


@app.command()
def status(person: PersonOption = None) -> None:
    """What the running monitor does: since when, its links and batteries, the last alert.

    Also whether alerts are snoozed or paused.
    """
    _told(person, "status", {})


@app.command()
def snooze(
    minutes: Annotated[
        float | None,
        typer.Argument(
            metavar="MINUTES", min=1, max=720, help=f"How long; often 15, 30 or 60. Default: {SNOOZE_MIN:g}."
        ),
    ] = None,
    rest_of_day: Annotated[bool, typer.Option("--rest-of-day", help="Until 04:00, when the next day begins.")] = False,
    person: PersonOption = None,
) -> None:
    """No alerts for a while. The recording goes on.

    What is due meanwhile is not made up for: after it at most one alert
    follows, if you still sit flexed then.

    Example: posture snooze 60
    """
    if rest_of_day and minutes is not None:
        raise InputError("give MINUTES or --rest-of-day, not both")
    _told(person, "snooze", {"rest_of_day": True} if rest_of_day else {"minutes": minutes or SNOOZE_MIN})


@app.command()
def pause(person: PersonOption = None) -> None:
    """No alerts until posture resume. The recording goes on.

    A monitor that starts anew on the same day is still paused.
    """
    _told(person, "pause", {})


@app.command()
def resume(person: PersonOption = None) -> None:
    """Alerts again: ends a pause and a snooze."""
    _told(person, "resume", {})


@app.command()
def wrong(
    at: Annotated[
        str | None,
        typer.Argument(metavar="TIME", help="When it came, as 14:05. Default: the last one.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="It was right after all.")] = False,
    person: PersonOption = None,
) -> None:
    """That alert was wrong. It is kept with the alert.

    The report says how many of the day's alerts you called wrong. Of the
    last 24 hours, also after the monitor has ended.

    Example: posture wrong 14:05
    """
    from posture.app.notify import TITLES
    from posture.app.summary import say
    from posture.store import Store

    path = _store(person)
    with Store(path) as store:
        session, alert, raised = _meant(store, at)
    said = RIGHT if undo else WRONG
    about: dict[str, JsonValue] = {"kind": alert["kind"], "about_s": alert["about_s"]}
    if session.end_utc is None:
        _told(person, "answer", {**about, "said": said})
        return
    with Store(path) as store:
        _answer_late(store, path.parent, session, alert, said)
    title = TITLES[AlertKind(str(alert["kind"]))]
    say(answer_words(said, title, clock_words(raised, session.zone)))


def answer_words(said: str, title: str, at: str) -> str:
    """What is said to an answer."""
    return f"Kept: the alert of {at} ({title.lower()}) was {said}."


def clock_words(moment: datetime, zone: str) -> str:
    """`14:05` in a zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"


def _meant(store: Store, at: str | None) -> tuple[StoredSession, dict[str, JsonValue], datetime]:
    """The alert of that time of day, or the last one, with its session and when it was raised."""
    since = datetime.now(UTC) - ANSWER_WITHIN
    found = [
        (session, alert, raised)
        for session in store.sessions(from_utc=since)
        for alert in store.alerts(session.id)
        if (raised := session.start_utc + timedelta(seconds=float(str(alert["raised_s"])))) >= since
    ]
    if not found:
        raise InputError("there is no alert of the last 24 hours to answer")
    if at is None:
        return found[-1]
    times = [clock_words(raised, session.zone) for session, _, raised in found]
    named = [row for row, time_ in zip(found, times, strict=True) if time_ == at.strip().zfill(5)]
    if not named:
        raise InputError(f"no alert came at {at!r}; those of the last 24 hours came at {', '.join(times)}")
    return named[-1]


def _answer_late(store: Store, home: Path, session: StoredSession, alert: dict[str, JsonValue], said: str) -> None:
    """To an alert of a session that is over: into its record too, if that is there."""
    from posture.recording.session import answer_late

    kind, about_s = str(alert["kind"]), float(str(alert["about_s"]))
    folder = home / "sessions" / session.folder
    if folder.is_dir():
        answer_late(folder, kind, about_s, said)
    found = store.alert_id(session.id, kind, about_s)
    if found is not None:
        store.put_answer(found, said, datetime.now(UTC))


def _store(person: str | None) -> Path:
    from posture.app.places import store_path

    path = store_path(person)
    if not path.exists():
        raise InputError(f"no monitor has run yet{_other(person)}: start posture run first")
    return path


def _told(person: str | None, kind: str, body: dict[str, JsonValue]) -> None:
    """Ask the running monitor, and say what it says."""
    from posture.app.summary import say
    from posture.store import Store

    with Store(_store(person)) as store:
        if all(session.end_utc is not None for session in store.sessions()):
            raise InputError(f"no monitor is running{_other(person)}: start posture run first")
        request = store.mailbox.ask(kind, body, datetime.now(UTC))
        try:
            reply = _heard(store, request)
        finally:
            store.mailbox.take(request)
    if reply is None:
        raise InputError(
            f"no monitor answers{_other(person)}: it was cut off, or cannot reach its store; start posture run"
        )
    if "refused" in reply:
        raise InputError(str(reply["refused"]))
    lines = reply.get("lines")
    for line in lines if isinstance(lines, list) else []:
        say(str(line))


def _heard(store: Store, request: int) -> dict[str, JsonValue] | None:
    until_s = time.monotonic() + HEARD_S
    while (reply := store.mailbox.replied(request)) is None and time.monotonic() < until_s:
        time.sleep(_LOOK_S)  # a poll: another process answers, and what the two share is the store, which wakes nobody
    return reply


def _other(person: str | None) -> str:
    """Whether the monitor of another person runs; then that is meant, perhaps."""
    from posture.app.places import data_dir, store_path
    from posture.store import Store

    people = data_dir() / "people"
    names = [None, *sorted(p.name for p in people.iterdir() if p.is_dir())] if people.is_dir() else [None]
    for name in names:
        path = store_path(name)
        if name == person or not path.exists():
            continue
        with Store(path) as store:
            if any(session.end_utc is None for session in store.sessions()):
                whose = f"with --person {name}" if name else "without --person"
                return f" here, but one runs {whose}"
    return ""
