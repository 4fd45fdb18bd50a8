"""The commands that talk to a running monitor, with a real store: who hears them, what they print, what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sessions import Bench, Boot, meta, noise, recorded
from test_store import nudge

from posture.app import tell
from posture.app.cli import app
from posture.app.exits import run
from posture.app.places import Home, person_dir
from posture.recording.session import Session, raised_alerts
from posture.store import Request, Store
from posture.types import JsonValue, Placement

Said = Callable[..., tuple[int, str, str]]
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path))
    monkeypatch.setattr(tell, "HEARD_S", 0.2)
    return person_dir()


@pytest.fixture
def posture(capsys: pytest.CaptureFixture[str], home: Path) -> Said:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(app, list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def begun(store: Store, start_utc: datetime) -> int:
    return store.put_session(
        folder="s1", start_utc=start_utc, zone="Europe/Berlin", about={}, code_version="1", made_utc=start_utc
    )


@contextmanager
def monitor(home: Path, reply: dict[str, JsonValue]) -> Iterator[list[Request]]:
    """Somebody who answers every request with this."""
    heard: list[Request] = []
    over = threading.Event()

    def listen() -> None:
        with Store(Home(home).store) as store:
            while not over.wait(0.005):
                for request in store.mailbox.waiting():
                    heard.append(request)
                    store.mailbox.reply(request.id, reply)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield heard
    finally:
        over.set()
        listener.join()


COMMANDS = (("status",), ("snooze", "30"), ("pause",), ("resume",))


@pytest.mark.parametrize("command", COMMANDS)
def test_where_nothing_runs_one_line_says_so_and_the_exit_code_is_2(
    posture: Said, home: Path, command: tuple[str, ...]
) -> None:
    assert posture(*command) == (2, "", "posture: no monitor has run yet: start posture run first\n")
    with Store(Home(home).store) as store:
        session = begun(store, datetime.now(UTC))
    code, _, words = posture(*command)
    assert (code, words.count("\n")) == (2, 1)
    assert "no monitor answers: it was cut off" in words
    with Store(Home(home).store) as store:
        assert store.mailbox.waiting() == (), "nobody hears later of what was given up"
        store.end_session(session, datetime.now(UTC))
    assert posture(*command) == (2, "", "posture: no monitor is running: start posture run first\n")


def test_the_monitor_of_another_person_is_named_where_ones_own_does_not_run(posture: Said) -> None:
    with Store(Home(person_dir("eva")).store) as store:
        begun(store, datetime.now(UTC))
    assert "no monitor has run yet here, but one runs with --person eva: start" in posture("pause")[2]
    with Store(Home(person_dir()).store) as store:
        store.end_session(begun(store, datetime.now(UTC)), datetime.now(UTC))
    assert "no monitor is running here, but one runs with --person eva" in posture("pause")[2]


@pytest.mark.parametrize(
    ("command", "kind", "body"),
    [
        (("status",), "status", {}),
        (("snooze",), "snooze", {"minutes": 30.0}),
        (("snooze", "15"), "snooze", {"minutes": 15.0}),
        (("snooze", "--rest-of-day"), "snooze", {"rest_of_day": True}),
        (("pause",), "pause", {}),
        (("resume",), "resume", {}),
    ],
)
def test_a_command_prints_what_the_monitor_says_and_leaves_nothing_behind(
    posture: Said, home: Path, command: tuple[str, ...], kind: str, body: dict[str, JsonValue]
) -> None:
    with Store(Home(home).store) as store:
        begun(store, datetime.now(UTC))
        with monitor(home, {"lines": ["heard", "well"]}) as heard:
            assert posture(*command) == (0, "heard\nwell\n", "")
        assert [(r.kind, r.body) for r in heard] == [(kind, body)]
        assert store.mailbox.waiting() == ()
        with monitor(home, {"refused": "not now"}):
            assert posture(*command) == (2, "", "posture: not now\n")


@pytest.mark.parametrize("minutes", ["0", "721", "-5", "half"])
def test_a_snooze_of_no_length_or_of_more_than_half_a_day_is_refused(posture: Said, minutes: str) -> None:
    code, out, words = posture("snooze", minutes)
    assert (code, out, words.count("\n")) == (2, "", 1)


def test_a_snooze_of_minutes_and_for_the_rest_of_the_day_is_refused(posture: Said) -> None:
    words = "posture: give MINUTES or --rest-of-day, not both\n"
    assert posture("snooze", "15", "--rest-of-day") == (2, "", words)


def test_a_wrong_alert_of_a_running_session_is_told_to_the_monitor(posture: Said, home: Path) -> None:
    start = datetime.now(UTC) - timedelta(hours=1)
    with Store(Home(home).store) as store:
        session = begun(store, start)
        assert posture("wrong") == (2, "", "posture: there is no alert of the last 24 hours to answer\n")
        store.put_alerts(session, [nudge(600.0), nudge(1800.0)])
        first, last = ((start + timedelta(seconds=s)).astimezone(BERLIN).strftime("%H:%M") for s in (600.0, 1800.0))
        with monitor(home, {"lines": ["kept"]}) as heard:
            assert posture("wrong")[:2] == (0, "kept\n")
            assert posture("wrong", first)[0] == 0
            assert posture("wrong", "--undo")[0] == 0
        abouts = [a["about_s"] for a in store.alerts(session)]
        assert [(r.body["about_s"], r.body["said"]) for r in heard] == [
            (abouts[1], "wrong"),
            (abouts[0], "wrong"),
            (abouts[1], "right"),
        ]
    code, _, words = posture("wrong", "99:99")
    assert code == 2
    assert words == f"posture: no alert came at '99:99'; those of the last 24 hours came at {first}, {last}\n"


def test_a_wrong_alert_of_a_session_that_has_ended_is_kept_in_store_and_record(posture: Said, home: Path) -> None:
    start = datetime.now(UTC) - timedelta(hours=3)
    packets = Bench(Placement.SACRUM, [Boot(7, 2.0, noise(1000, 1), 52.0)], 52.0).made()
    lines = [{"kind": "alert", "tick": 30_300, "id": 0, "alert": nudge(606.0)}]
    folder = recorded(Home(home).sessions / "s1", packets, meta((Placement.SACRUM,)), lines=lines)
    with Store(Home(home).store) as store:
        session = begun(store, start)
        store.put_alerts(session, [nudge(606.0)])
        store.end_session(session, start + timedelta(hours=1))
    at = (start + timedelta(seconds=606)).astimezone(BERLIN).strftime("%H:%M")
    assert posture("wrong")[:2] == (0, f"Kept: the alert of {at} (time to move) was wrong.\n")
    assert [a.get("answer") for a in raised_alerts(Session.open(folder).records)] == ["wrong"]
    posture("wrong", at, "--undo")
    assert [a.get("answer") for a in raised_alerts(Session.open(folder).records)] == ["right"]
    with Store(Home(home).store) as store:
        assert [a["said"] for a in store.alerts(session)[0]["answers"]] == ["wrong", "right"]  # type: ignore[union-attr,index,call-overload]
        store.end_session(session, start + timedelta(hours=1))


def test_an_alert_of_the_day_before_is_not_found_any_more(posture: Said, home: Path) -> None:
    with Store(Home(home).store) as store:
        session = begun(store, datetime.now(UTC) - timedelta(hours=30))
        store.put_alerts(session, [nudge(600.0)])
    assert "no alert of the last 24 hours" in posture("wrong")[2]


def test_the_ids_of_requests_are_never_used_twice(home: Path) -> None:
    """The monitor goes by them: one that came back would not be heard."""
    with Store(Home(home).store) as store:
        ids = []
        for _ in range(3):
            ids.append(store.mailbox.ask("pause", {}, datetime.now(UTC)))
            store.mailbox.take(ids[-1])
        assert ids == sorted(set(ids))
        store.mailbox.ask("pause", {}, datetime.now(UTC))
        store.mailbox.clear()
        assert store.mailbox.waiting() == ()
