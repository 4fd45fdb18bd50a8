"""The store, with a real file: what goes in comes out, through a crash, a second process and every older version."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.days import chosen, split, summarised
from analysis.inputs import ReportInput
from posture.alerts import AlertState
from posture.replay import Records, ReplayRequest, prepare, records
from posture.replay import run as replay
from posture.signal.calibration import Calibration, SensorCalibration
from posture.store import KnownSensor, Store
from posture.store.database import MIGRATIONS, connect, transaction
from posture.store.packing import pack, unpack
from posture.types import AlertKind, Context, EpochBlock, InputError, Placement, PostureError
from tests.conftest import REPOSITORY

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
ABOUT = {"format": 1, "source": "here"}
ANGLES = ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg", "lateral_deg")


def seconds(first_s: int, count: int, *, seed: int = 1) -> EpochBlock:
    """Sitting that wanders: half a degree of noise on a slow drift, now and then no reading of the upper sensor."""
    rng = np.random.default_rng(seed + first_s)
    angles = {name: 20 + rng.normal(0, 0.5, count) + np.cumsum(rng.normal(0, 0.1, count)) for name in ANGLES}
    angles["upper_lumbar_inclination_deg"][rng.random(count) < 0.01] = np.nan
    return EpochBlock(
        start_s=first_s + np.arange(count, dtype=float),
        context=np.full(count, Context.SITTING, dtype=np.int8),
        context_confidence=np.clip(rng.normal(0.9, 0.05, count), 0, 1),
        **angles,
        flexion_pct_rom=2 * angles["flexion_deg"],
        slump_index_pct=np.full(count, np.nan),
        flexed=rng.integers(-1, 2, count).astype(np.int8),
        creep=np.linspace(0, 0.9, count),
        valid_fraction=np.ones(count),
    )


def bend(start_s: float, verdict: str = "rounded", **evidence: object) -> dict[str, object]:
    return {
        "kind": "bend",
        "start_s": start_s,
        "end_s": start_s + 3,
        "peak_s": start_s + 1,
        "peak_deg": 71.5,
        "verdict": verdict,
        "basis": "two",
        "confidence": 0.9,
        "set_id": None,
        **evidence,
    }


def nudge(raised_s: float) -> dict[str, object]:
    return {
        "about_s": raised_s - 6,
        "raised_s": raised_s,
        "kind": "flexed_sitting",
        "preset": "balanced",
        "reason": "r",
        "creep": 0.8,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "store.sqlite3"


@pytest.fixture
def store(path: Path):  # type: ignore[no-untyped-def]
    with Store(path) as opened:
        yield opened


def begun(store: Store, folder: str = "one", start_utc: datetime = START) -> int:
    return store.put_session(
        folder=folder, start_utc=start_utc, zone="Europe/Berlin", about=ABOUT, code_version="1", made_utc=start_utc
    )


# Epochs as bytes


def test_epochs_come_back_to_a_tenth_of_a_degree_and_what_is_not_known_stays_so() -> None:
    was = seconds(100, 3000)
    now = unpack(pack(was), first_s=100, count=3000)
    for item in fields(EpochBlock):
        a, b = getattr(was, item.name), getattr(now, item.name)
        assert b.dtype == a.dtype
        most = (
            0.0005
            if item.name in ("context_confidence", "valid_fraction")
            else 0.0001
            if item.name == "creep"
            else 0.1
            if item.name in ("flexion_pct_rom", "slump_index_pct")
            else 0.05
        )
        np.testing.assert_allclose(b, a, rtol=0, atol=most + 1e-9, equal_nan=True)
    for name in ("context", "flexed", "start_s"):
        assert np.array_equal(getattr(now, name), getattr(was, name))


def test_what_was_unpacked_packs_to_the_same_bytes() -> None:
    once = pack(seconds(0, 3600))
    assert pack(unpack(once, first_s=0, count=3600)) == once


@given(st.lists(st.floats(-200, 200) | st.just(np.nan), min_size=1, max_size=50))
def test_any_angle_comes_back_within_half_a_step(values: list[float]) -> None:
    block = replace(seconds(0, len(values)), flexion_deg=np.array(values))
    back = unpack(pack(block), first_s=0, count=len(values)).flexion_deg
    np.testing.assert_allclose(back, values, rtol=0, atol=0.05 + 1e-9, equal_nan=True)


@pytest.mark.parametrize(("name", "level"), [("creep", 0.8), ("flexion_pct_rom", 60.0), ("slump_index_pct", 60.0)])
@given(off=st.floats(-1e-3, 1e-3))
def test_what_is_under_a_level_stays_under_it(name: str, level: float, off: float) -> None:
    value = level * (1.0 + off)
    back = getattr(unpack(pack(replace(seconds(0, 1), **{name: np.array([value])})), first_s=0, count=1), name)[0]
    if not level * (1.0 - 1e-8) < value < level:  # so near is the level itself, but for rounding in the last bits
        assert (back >= level) == (value >= level)


def test_damaged_epochs_are_said_in_a_sentence() -> None:
    blob = pack(seconds(0, 60))
    for wrong in (b"", blob[:-9], bytes([blob[0]]) + b"x" * 40, bytes([9]) + blob[1:]):
        with pytest.raises(PostureError, match="stored epochs"):
            unpack(wrong, first_s=0, count=60)


# Sessions and results


def test_a_session_comes_back_as_it_was_put_down(store: Store) -> None:
    session = begun(store)
    for first_s, count in ((0, 60), (60, 60), (120, 5000)):
        store.put_epochs(session, seconds(first_s, count))
    store.put_events(session, [bend(40.0), bend(10.0, held_s=2.5)])
    (alert,) = store.put_alerts(session, [nudge(300.0)])
    store.put_answer(alert, "snooze", START + timedelta(seconds=310))
    store.put_answer(alert, "wrong", START + timedelta(seconds=320))
    store.end_session(session, START + timedelta(hours=1))
    (found,) = store.sessions()
    assert (found.folder, found.start_utc, found.zone, found.revision, found.result) == (
        "one",
        START,
        "Europe/Berlin",
        1,
        "live",
    )
    assert found.end_utc == START + timedelta(hours=1)
    assert found.about == ABOUT
    assert np.array_equal(store.epochs(session).start_s, np.arange(5120.0))
    assert store.events(session) == [bend(10.0, held_s=2.5), bend(40.0)]
    (said,) = store.alerts(session)
    assert said | nudge(300.0) == said
    assert [a["said"] for a in said["answers"]] == ["snooze", "wrong"]


def test_epochs_by_the_minute_are_those_put_down_at_once(store: Store) -> None:
    whole = seconds(0, 8000)
    a, b = begun(store, "a"), begun(store, "b")
    store.put_epochs(a, whole)
    for k in range(0, 8000, 47):
        store.put_epochs(b, EpochBlock(*(getattr(whole, f.name)[k : k + 47] for f in fields(EpochBlock))))
    for item in fields(EpochBlock):
        np.testing.assert_array_equal(getattr(store.epochs(a), item.name), getattr(store.epochs(b), item.name))


def test_epochs_that_do_not_follow_on_are_refused_and_nothing_is_kept(store: Store) -> None:
    session = begun(store)
    store.put_epochs(session, seconds(0, 60))
    for wrong in (seconds(61, 5), seconds(30, 5), replace(seconds(60, 3), start_s=np.array([60.0, 61.0, 63.0]))):
        with pytest.raises(PostureError, match="do not follow on what is stored"):
            store.put_epochs(session, wrong)
    assert len(store.epochs(session)) == 60


def test_the_final_result_takes_the_place_of_epochs_and_events_keeps_alerts_and_says_what_changed(store: Store) -> None:
    session = begun(store)
    live = seconds(0, 600)
    live.context[100:160] = Context.GAP
    store.put_epochs(session, live)
    store.put_events(session, [bend(10.0), bend(200.0)])
    (alert,) = store.put_alerts(session, [nudge(300.0)])
    store.put_answer(alert, "done", START)
    final = replace(seconds(0, 610), flexed=np.append(live.flexed, np.zeros(10, np.int8)))
    final.flexed[5] = 1 - abs(final.flexed[5])
    made = store.put_final(
        session,
        epochs=final,
        events=[bend(10.0), bend(130.0), bend(200.0, "neutral")],
        about={**ABOUT, "last_s": 610},
        code_version="1",
        made_utc=START,
    )
    assert (made.seconds_added, made.context_s, made.flexed_s) == (10, 60, 1)
    assert (made.events_added, made.events_removed) == ({"bend": 2}, {"bend": 1})
    assert not made.none
    (found,) = store.sessions()
    assert (found.revision, found.result, found.about["last_s"]) == (2, "final", 610)
    assert [e["start_s"] for e in store.events(session)] == [10.0, 130.0, 200.0]
    assert len(store.epochs(session)) == 610
    assert len(store.alerts(session)[0]["answers"]) == 1
    same = store.put_final(
        session,
        epochs=store.epochs(session),
        events=store.events(session),
        about=ABOUT,
        code_version="1",
        made_utc=START,
    )
    assert same.none
    assert store.differences(session) == (made, same)


def test_a_final_result_that_fails_leaves_the_live_one(store: Store) -> None:
    session = begun(store)
    store.put_epochs(session, seconds(0, 60))
    store.put_events(session, [bend(10.0)])
    with pytest.raises(ValueError, match="JSON compliant"):
        store.put_final(
            session,
            epochs=seconds(0, 90),
            events=[bend(20.0, depth_deg=float("nan"))],
            about=ABOUT,
            code_version="1",
            made_utc=START,
        )
    assert len(store.epochs(session)) == 60
    assert [e["start_s"] for e in store.events(session)] == [10.0]
    assert store.sessions()[0].revision == 1


def test_what_is_written_together_is_there_at_once_or_not_at_all(store: Store, path: Path) -> None:
    session = begun(store)
    with store.together():
        store.put_epochs(session, seconds(0, 60))
        store.put_events(session, [bend(1.0)])
        with Store(path) as other:
            assert len(other.epochs(session)) == 0

    def half() -> None:
        with store.together():
            store.put_epochs(session, seconds(60, 60))
            store.put_events(99, [bend(70.0)])

    with pytest.raises(sqlite3.IntegrityError):
        half()
    assert (len(store.epochs(session)), len(store.events(session))) == (60, 1)
    store.put_epochs(session, seconds(60, 60))


def test_sessions_are_found_by_time_over_the_night_in_which_the_clocks_change(store: Store) -> None:
    """In Berlin the day of 28 March 2026 ends at 02:00 UTC of the 29th: 04:00 by then is summer time, and it had 23 hours."""
    first = begun(store, "day", datetime(2026, 3, 28, 3, 0, tzinfo=UTC))
    store.end_session(first, datetime(2026, 3, 28, 20, 0, tzinfo=UTC))
    night = begun(store, "night", datetime(2026, 3, 28, 21, 0, tzinfo=UTC))
    store.end_session(night, datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    open_ = begun(store, "open", datetime(2026, 3, 29, 2, 0, tzinfo=UTC))
    begins, ends = datetime(2026, 3, 28, 3, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, 0, tzinfo=UTC)
    assert ends - begins == timedelta(hours=23)
    assert [s.id for s in store.sessions(begins, ends)] == [first, night]
    assert [s.id for s in store.sessions(ends, ends + timedelta(days=1))] == [open_]
    assert [s.id for s in store.sessions(to_utc=begins)] == []
    assert [s.id for s in store.sessions()] == [first, night, open_]


def test_a_moment_without_a_zone_and_a_zone_that_is_none_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        begun(store, start_utc=datetime(2026, 3, 2))
    with pytest.raises(KeyError):
        store.put_session(folder="x", start_utc=START, zone="Mars/Base", about=ABOUT, code_version="1", made_utc=START)
    assert store.sessions() == ()


@pytest.fixture(scope="module")
def excerpt() -> Records:
    """The shipped recording, replayed: 46 min of two sensors."""
    recording = REPOSITORY / "recordings" / "day_excerpt.parquet"
    prepared = prepare(ReplayRequest(recording, poses=recording.with_name("day_excerpt.poses.json")))
    return records(prepared, replay(prepared, prepared.recording.batches()))


def test_the_days_summary_of_the_store_is_that_of_the_replay_to_the_rounding(store: Store, excerpt: Records) -> None:
    made = excerpt
    start_utc = datetime.fromisoformat(str(made.session["start_utc"]))
    session = store.put_session(
        folder="day",
        start_utc=start_utc,
        zone=str(made.session["zone"]),
        about=made.session,
        code_version="1",
        made_utc=START,
    )
    store.put_epochs(session, made.epochs)
    store.put_events(session, made.events)
    store.put_alerts(session, made.alerts)

    def summary(epochs: EpochBlock, events: object, alerts: object, about: object) -> dict[str, object]:
        whole = ReportInput.from_records(epochs, events=events, alerts=alerts, session=about)  # type: ignore[arg-type]
        parts = split(whole)
        return json.loads(summarised(parts, chosen(parts)).to_json())

    was = summary(made.epochs, made.events, made.alerts, made.session)
    now = summary(store.epochs(session), store.events(session), store.alerts(session), store.sessions()[0].about)
    assert_close(now, was)


def assert_close(now: object, was: object, where: str = "") -> None:
    if isinstance(was, dict):
        assert isinstance(now, dict)
        assert now.keys() == was.keys()
        for key in was:
            assert_close(now[key], was[key], f"{where}.{key}")
    elif isinstance(was, list | tuple):
        assert isinstance(now, list | tuple)
        assert len(now) == len(was)
        for k, (a, b) in enumerate(zip(now, was, strict=True)):
            assert_close(a, b, f"{where}.{k}")
    elif isinstance(was, float):
        assert now == pytest.approx(was, abs=0.1), where
    else:
        assert now == was, where


# Sensors and wearer


def test_sensors_are_enrolled_changed_and_forgotten(store: Store) -> None:
    low = KnownSensor("A1", Placement.SACRUM, "LPS A1", "c0:ff:ee:00:00:01", True, "lps")
    high = KnownSensor("B2", Placement.UPPER_LUMBAR, "LPS B2", "c0:ff:ee:00:00:02", False, "lps")
    store.put_sensor(high)
    store.put_sensor(low)
    assert store.sensors() == (low, high)
    store.put_sensor(replace(high, bonded=True))
    assert store.sensors()[1].bonded
    assert store.forget_sensor("A1")
    assert not store.forget_sensor("A1")
    assert [s.serial for s in store.sensors()] == ["B2"]


def calibration(source: str, *placements: Placement) -> Calibration:
    sensors = {p: SensorCalibration(np.eye(3), 9.81, sit_tall_deg=-3.0) for p in placements}
    return Calibration(source, sensors, 50.0, rom_measured=True, judges_sitting=True, grade="good", made_utc=START)


def test_the_latest_calibration_is_the_newest_that_knows_the_sensors(store: Store) -> None:
    both = (Placement.SACRUM, Placement.UPPER_LUMBAR)
    assert store.latest_calibration() is None
    store.put_calibration(calibration("poses", *both), START)
    store.put_calibration(calibration("quick", *both), START + timedelta(days=1))
    store.put_calibration(calibration("self", Placement.SACRUM), START + timedelta(days=2))
    newest, of_both = store.latest_calibration(), store.latest_calibration(both)
    full = store.latest_calibration(full=True)
    assert newest is not None
    assert of_both is not None
    assert full is not None
    assert [c.source for c in (newest, of_both, full)] == ["self", "quick", "poses"]
    assert full.sensors[Placement.SACRUM].sit_tall_deg == -3.0
    assert np.isnan(full.sensors[Placement.SACRUM].slump_deg)


def test_the_profile_remembers_and_changes(store: Store) -> None:
    assert store.profile() == {}
    store.set_profile("height_cm", 178, START)
    store.set_profile("height_cm", 179, START)
    store.set_profile("pack", {"folder": "mine"}, START)
    assert store.profile() == {"height_cm": 179, "pack": {"folder": "mine"}}


def test_the_alert_policys_memory_comes_back_with_its_infinities(store: Store) -> None:
    assert store.policy_state() is None
    session = begun(store)
    state = AlertState(
        sitting_s=12.0, said_n={AlertKind.BEND: 2}, last_cue_s={AlertKind.BEND: 9.5}, walking_s=[1.0, 2.0]
    )
    store.put_policy_state(state, session_id=session, saved_utc=START)
    store.put_policy_state(replace(state, sitting_s=13.0), session_id=session, saved_utc=START)
    memory = store.policy_state()
    assert memory is not None
    assert memory.state == replace(state, sitting_s=13.0)
    assert memory.state.since_break_s == float("inf")
    assert (memory.session_id, memory.saved_utc) == (session, START)


def test_a_policys_memory_of_another_version_is_read_as_far_as_it_is_known(store: Store, path: Path) -> None:
    store.put_policy_state(AlertState(sitting_s=5.0), session_id=begun(store), saved_utc=START)
    with sqlite3.connect(path) as other:
        other.execute("""UPDATE policy_state SET state = '{"sitting_s": 7.0, "of_tomorrow": 1}'""")
    other.close()
    memory = store.policy_state()
    assert memory is not None
    assert memory.state == AlertState(sitting_s=7.0)


# The file


def test_only_its_owner_may_read_the_file_and_what_stands_beside_it(store: Store, path: Path) -> None:
    begun(store)
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_of_a_newer_program_is_refused_in_one_sentence_and_left_alone(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"is of a newer posture-monitor \(version .*install that program again$"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("hello, this is no database at all; " * 40)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    for file, said in ((text, "cannot be read"), (other, "is a database of another program")):
        before = file.read_bytes()
        with pytest.raises(InputError, match=said):
            Store(file)
        assert file.read_bytes() == before
    with pytest.raises(InputError, match="cannot be opened"):
        Store(text / "below" / "store.sqlite3")


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_every_older_version_is_brought_up_to_date_with_what_it_held(path: Path, version: int) -> None:
    connect(path, migrations=MIGRATIONS[:version]).close()
    if version:
        with sqlite3.connect(path) as old:
            old.execute(
                "INSERT INTO session VALUES (7, 'old', ?, NULL, 'UTC', 1, '{}')", ("2026-03-02T07:00:00.000000Z",)
            )
            old.execute("INSERT INTO revision VALUES (7, 1, 'live', '2026-03-02T07:00:00.000000Z', '1', NULL)")
        old.close()
    with Store(path) as store:
        assert [s.folder for s in store.sessions()] == (["old"] if version else [])
        begun(store)
    with sqlite3.connect(path) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert now.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    now.close()


def test_the_migrations_are_numbered_without_a_hole() -> None:
    assert [int(m.name[:4]) for m in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_migration_that_fails_leaves_the_older_version(path: Path, tmp_path: Path) -> None:
    connect(path, migrations=MIGRATIONS[:1]).close()
    broken = tmp_path / f"{2:04}_broken.sql"
    broken.write_text("CREATE TABLE later (x TEXT) STRICT;\nINSERT INTO nowhere VALUES (1);\n")
    with pytest.raises((InputError, PostureError), match="nowhere"):
        connect(path, migrations=(MIGRATIONS[0], broken))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'later'").fetchone() == (0,)
    database.close()


def test_every_table_is_strict_and_what_points_nowhere_is_refused(store: Store, path: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store.put_events(99, [bend(1.0)])
    with sqlite3.connect(path) as database:
        tables = database.execute(
            "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"
        )
        assert {name: strict for name, strict in tables if not strict} == {}
    database.close()


# Several processes

WRITER = """
    import sys
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from posture.store import Store
    from tests.test_store import START, begun, bend, seconds, nudge
    with Store(Path(sys.argv[1])) as store:
        session = begun(store, sys.argv[2])
        print("ready", flush=True)
        for k in range(int(sys.argv[3])):
            store.put_epochs(session, seconds(60 * k, 60))
            store.put_events(session, [bend(60.0 * k), bend(60.0 * k + 30)])
            print(k, flush=True)
"""


def writer(path: Path, folder: str, minutes: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), folder, str(minutes)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_two_processes_write_and_a_third_reads_without_a_lock_error(path: Path) -> None:
    """All begin at once with a file that is not there yet."""
    with writer(path, "a", 40) as first, writer(path, "b", 40) as second, Store(path) as store:
        seen = 0
        while first.poll() is None or second.poll() is None:
            for session in store.sessions():
                epochs, events = store.epochs(session.id), store.events(session.id)
                assert len(epochs) % 60 == 0, "a minute is there whole or not at all"
                assert len(events) % 2 == 0
                assert len(events) >= 2 * (len(epochs) // 60 - 1), "what was read later is no older"
                seen += 1
    assert (first.returncode, second.returncode) == (0, 0)
    assert seen > 2
    with Store(path) as store:
        assert [len(store.epochs(s.id)) for s in store.sessions()] == [2400, 2400]


@pytest.mark.parametrize("wait_ms", [1, 7, 20, 45, 90])
def test_killed_in_the_middle_of_writing_the_file_is_whole_and_holds_all_that_was_said(
    path: Path, wait_ms: int
) -> None:
    process = writer(path, "a", 10_000)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(wait_ms / 1000)
    process.kill()
    said = [line for line in process.stdout.read().splitlines() if line]
    process.wait()
    process.stdout.close()
    with Store(path) as store:
        (session,) = store.sessions()
        minutes = len(store.epochs(session.id)) / 60
        assert minutes == round(minutes)
        assert minutes >= len(said)
        assert 2 * minutes - 2 <= len(store.events(session.id)) <= 2 * minutes
        store.put_epochs(session.id, seconds(60 * round(minutes), 60))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_writer_that_never_lets_go_is_said_in_a_sentence(path: Path, store: Store) -> None:
    other = connect(path)
    store._database.execute("PRAGMA busy_timeout = 50")
    with transaction(other), pytest.raises(PostureError, match=r"the store cannot be written .*locked"):
        begun(store)
    other.close()
    begun(store)


def test_a_person_year_of_seconds_stays_small(path: Path, store: Store, excerpt: Records) -> None:
    """Ten hours worn a day: under 80 MB of seconds a year; 135 MB with an event each 77 s, as staged in the shipped recording."""
    empty, session, day_s = size(path), begun(store), 36_000
    times = 1 + day_s // len(excerpt.epochs)
    tiled = {f.name: np.tile(getattr(excerpt.epochs, f.name), times)[:day_s] for f in fields(EpochBlock)}
    store.put_epochs(session, EpochBlock(**(tiled | {"start_s": np.arange(day_s, dtype=float)})))
    assert (size(path) - empty) * 365 < 80e6
    store.put_events(session, excerpt.events * times)
    assert (size(path) - empty) * 365 < 135e6


def size(path: Path) -> int:
    """Of the database, with what stands in the write-ahead log."""
    with sqlite3.connect(path) as database:
        pages = database.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    database.close()
    return int(pages)


def test_the_page_of_the_store_names_every_table_and_column(store: Store, repository: Path) -> None:
    page = (repository / "docs" / "store.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", page, flags=re.MULTILINE))
    columns = store._database.execute(
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c "
        "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert set(rows) == {table for table, _ in columns}
    assert [(table, column) for table, column in columns if f"`{column}`" not in rows[table]] == []
