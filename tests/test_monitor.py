"""The monitor over real frames of the shipped motion: what live says, what comes late, what is told, and what silence shows."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rich.console import Console
from rich.live import Live
from sessions import Bench, excerpt_boot, in_order, meta
from streams import BOTH

from analysis.inputs import Clock
from analysis.stored import days_of
from posture.alerts import AlertState, Quiet, silences
from posture.app.asked import Asked
from posture.app.battery import BatteryState, watch
from posture.app.keeping import Keeper, Saved
from posture.app.live import View
from posture.app.monitor import Ended, Monitor, status_words
from posture.app.notify import Button
from posture.app.session import (
    BATTERY_KEY,
    SALT_KEY,
    Known,
    difference_words,
    final_records,
    finished,
    live_about,
    meta_of,
)
from posture.app.source import LiveSource
from posture.config import AlertsConfig, Config
from posture.days import Days
from posture.pipeline import Output
from posture.recording.session import (
    Session,
    SessionDecoder,
    SessionMeta,
    SessionWriter,
    compact,
    raised_alerts,
    user_actions,
)
from posture.replay import ReplayRequest, live_pipeline, prepare, records
from posture.replay import run as replayed
from posture.sensors.driver import Enrolled, LinkState, LinkStatus
from posture.store import Difference, Request, Store
from posture.types import Alert, EpochBlock, JsonValue, Placement, RawPacket

FROM_S, TO_S = 1650.0, 1830.0
"""Of the shipped motion: bends and a way down to the floor and up, with their cues."""
STEP_S = 0.5


@dataclass
class FedClock:
    """Session time as the feed says it. speed : so that the source looks at it often."""

    ns: int = 0
    speed: float = 1000.0

    def now_ns(self) -> int:
        return self.ns


@dataclass
class FedLink:
    """In the place of a link: packets that are handed on when their time has come."""

    enrolled: Enrolled
    status: LinkStatus = field(default_factory=lambda: LinkStatus(LinkState.STREAMING, 0, "connected", 80))
    buzzed: list[tuple[int, int, int]] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    put: object = None

    async def run(self, put: object) -> None:
        self.put = put
        await self.stopped.wait()

    async def stop(self) -> None:
        self.stopped.set()
        await asyncio.sleep(0)

    async def haptic(self, pattern: int, strength_pct: int, repeats: int) -> bool:
        self.buzzed.append((pattern, strength_pct, repeats))
        return True


@dataclass
class Told:
    words: list[tuple[str, str]] = field(default_factory=list)

    buttons: list[Sequence[Button]] = field(default_factory=list)
    presses: bool = False

    async def notify(self, title: str, words: str, buttons: Sequence[Button] = ()) -> None:
        self.words.append((title, words))
        self.buttons.append(buttons)
        for button in buttons if self.presses else ():
            button.pressed()


@dataclass
class Run:
    """A finished session: everything that live said, and whom it told."""

    folder: Path
    session_id: int
    links: dict[Placement, FedLink]
    told: Told
    said: str
    outputs: list[Output]
    ended: Ended
    screens: dict[float, str]
    replies: list[dict[str, JsonValue]]

    @property
    def epochs(self) -> EpochBlock:
        return EpochBlock.joined(e for o in self.outputs for e in o.epochs)

    @property
    def alerts(self) -> list[Alert]:
        return [a for o in self.outputs for a in o.alerts]


def packets(*, lost: Sequence[tuple[float, float]] = (), until_s: float = TO_S - FROM_S) -> list[RawPacket]:
    """Both sensors, from the middle of the motion; what is lost comes later, from the ring."""
    made = []
    for k, placement in enumerate(BOTH):
        boot, _ = excerpt_boot(placement, rate_hz=52.0)
        rows = slice(round(FROM_S * 52), round((FROM_S + until_s) * 52))
        cut = replace(boot, from_s=1.0, samples=boot.samples[rows])
        made.append(Bench(placement, [cut], 52.0, seed=k, lost=lost).made())
    return in_order(*made)


def monitored(
    home: Path,
    fed: list[RawPacket],
    *,
    silence_s: float = 0.0,
    look_s: Sequence[float] = (),
    name: str = "s1",
    workout_s: tuple[float, float] | None = None,
    asks: Mapping[float, tuple[str, dict[str, JsonValue]]] | None = None,
    clock_behind_s: float = 0.0,
    told: Told | None = None,
    about: SessionMeta | None = None,
) -> Run:
    """A session of these packets, and then of silence. look_s : when the screen is looked at. workout_s : when one is declared.

    asks : what is asked of the monitor, by when; its clock is then `clock_behind_s` behind what arrived. The answer to the last
    alert needs no name of it.
    """

    about = about or meta(BOTH, name=name)

    async def scene() -> Run:
        clock, hears, outputs = FedClock(), told or Told(), list[Output]()
        links = {p: FedLink(Enrolled(f"S{p}", p, f"LPS-{p}", "h", True)) for p in BOTH}
        out = io.StringIO()
        console = Console(file=out, width=100)
        pipeline = live_pipeline(about, want_angles=True)
        view = View.live(pipeline.calibration, Config(), title="t", subtitle="s")
        screens: dict[float, str] = {}
        replies: list[dict[str, JsonValue]] = []
        until = asyncio.Event()
        async with Keeper(home / "store.sqlite3") as keeper:
            with SessionWriter.create(home / name, about) as writer:
                session_id = await keeper.do(
                    lambda store: store.put_session(
                        folder=name,
                        start_utc=about.start_utc,
                        zone=about.zone,
                        about={},
                        code_version="1",
                        made_utc=datetime.now(UTC),
                    )
                )
                decoder = SessionDecoder(BOTH, Config().clock)
                source = LiveSource(list(links.values()), writer, decoder, clock, say=print)  # type: ignore[arg-type]
                saved = Saved(keeper, session_id, print)
                asked = Asked(about, pipeline, writer)
                monitor = Monitor(source, pipeline, saved, view, hears, console, about.start_utc, asked, outputs.append)
                running = asyncio.create_task(monitor.run(until))
                waiting = iter(fed)
                packet = next(waiting, None)
                last_s = fed[-1].host_time_ns / 1e9 + silence_s
                looks = sorted(look_s)
                for step in range(1, round(last_s / STEP_S) + 2):
                    clock.ns = round(step * STEP_S * 1e9)
                    while packet is not None and packet.host_time_ns <= clock.ns:
                        while links[packet.placement].put is None:
                            await asyncio.sleep(0)
                        links[packet.placement].put(packet)  # type: ignore[operator]
                        packet = next(waiting, None)
                    for _ in range(3):
                        await asyncio.sleep(0)
                    if workout_s is not None and step * STEP_S in workout_s:
                        begins = step * STEP_S == workout_s[0]
                        await keeper.do(lambda store, begins=begins: declare(store, begins=begins))  # type: ignore[misc]
                        while view.news not in WORKOUT_NEWS[begins]:
                            await asyncio.sleep(0.001)
                    if asks is not None and step * STEP_S in asks:
                        clock.ns -= round(clock_behind_s * 1e9)
                        replies.append(await ask(keeper, asked, *asks[step * STEP_S]))
                    if looks and step * STEP_S >= looks[0]:
                        while view.now_s < step * STEP_S:
                            await asyncio.sleep(0.01)
                        plain = io.StringIO()
                        Console(file=plain, width=80).print(view.render(Console(width=80)))
                        screens[looks.pop(0)] = plain.getvalue()
                until.set()
                ended = await running
                writer.close(ended.end_ns)
        return Run(home / name, session_id, links, hears, out.getvalue(), outputs, ended, screens, replies)

    return asyncio.run(scene())


async def ask(keeper: Keeper, asked: Asked, kind: str, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What `posture snooze` and its like do, and what the monitor says."""
    if kind == "answer":
        while not asked.raised:
            await asyncio.sleep(0.001)
        last = asked.raised[-1]
        body = {"kind": str(last.kind), "about_s": last.about_s, **body}
    request = await keeper.do(lambda store: store.mailbox.ask(kind, body, datetime.now(UTC)))
    while (reply := await keeper.do(lambda store: store.mailbox.replied(request))) is None:
        await asyncio.sleep(0.001)
    await keeper.do(lambda store: store.mailbox.take(request))
    return reply


WORKOUT_NEWS = {True: ("Workout of squat begun.",), False: ("Workout of squat ended.",)}


def declare(store: Store, *, begins: bool) -> None:
    """What `posture workout start squat` and `stop` do, from another process as well as from here."""
    now = datetime.now(UTC)
    if begins:
        store.diary.start_workout("squat", side=None, at_utc=now)
    else:
        store.diary.stop_workout(now)


def row(screen: str, label: str) -> str:
    return next(line for line in screen.splitlines() if f" {label}" in line)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return monitored(tmp_path_factory.mktemp("whole"), packets())


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory, whole: Run) -> Run:
    """Out of range from before the first bend that was cued until after it."""
    about_s = whole.alerts[0].about_s
    return monitored(tmp_path_factory.mktemp("holed"), packets(lost=[(about_s - 10.0, about_s + 10.0)]))


def as_live(folder: Path) -> tuple[EpochBlock, list[object], list[Alert]]:
    prepared = prepare(ReplayRequest(folder, as_live=True))
    result = replayed(prepared, prepared.recording.batches())
    return EpochBlock.joined(result.epochs), list(result.events), result.alerts


@pytest.mark.parametrize("which", ["whole", "holed"])
def test_a_replay_as_live_is_what_live_said_bit_for_bit(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    epochs, events, alerts = as_live(run.folder)
    for name in EpochBlock.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(epochs, name), getattr(run.epochs, name), err_msg=name)
    assert events == [e for o in run.outputs for e in o.events]
    assert alerts == run.alerts
    assert len(run.epochs) > 150


def test_the_packet_that_completes_a_second_decides_it_and_most_others_are_gathered(tmp_path: Path) -> None:
    """Against every packet pushed by itself: the same seconds at the same packets, with a third of the pushes."""
    fed = packets(until_s=60.0)
    about = meta(BOTH)
    alone, decoder = live_pipeline(about), SessionDecoder(BOTH, Config().clock)
    due: dict[float, int] = {}
    for packet in fed:
        for epochs in alone.push(decoder.push([packet], packet.host_time_ns)).epochs:
            due |= dict.fromkeys(epochs.start_s.tolist(), packet.host_time_ns)

    decided: dict[float, int] = {}
    pushed_ns: list[int] = []

    async def scene() -> None:
        clock, pipeline = FedClock(speed=1.0), live_pipeline(about)
        links = {p: FedLink(Enrolled(f"S{p}", p, f"LPS-{p}", "h", True)) for p in BOTH}
        with SessionWriter.create(tmp_path / "s", about) as writer:
            source = LiveSource(list(links.values()), writer, SessionDecoder(BOTH, Config().clock), clock, say=print)  # type: ignore[arg-type]

            async def decide() -> None:
                async for batch in source.batches():
                    for epochs in pipeline.push(batch).epochs:
                        decided.update(dict.fromkeys(epochs.start_s.tolist(), clock.ns))
                    source.due_s = pipeline.due_s
                    pushed_ns.append(clock.ns)

            async with asyncio.TaskGroup() as group:
                deciding = group.create_task(decide())
                source.begin(group)
                await asyncio.sleep(0)
                for packet in fed:
                    clock.ns = packet.host_time_ns
                    links[packet.placement].put(packet)  # type: ignore[operator]
                    for _ in range(5):
                        await asyncio.sleep(0)
                await source.end()
                await deciding

    asyncio.run(scene())
    assert len(due) > 50
    late_s = [(decided[s] - due[s]) / 1e9 for s in due]
    assert late_s == [0.0] * len(due)
    settled = [ns for ns in pushed_ns if ns > 10e9]
    assert len(settled) < 0.35 * sum(p.host_time_ns > 10e9 for p in fed)


def test_each_alert_is_recorded_kept_buzzed_shown_and_notified(whole: Run) -> None:
    assert len(whole.alerts) >= 2
    recorded = raised_alerts(Session.open(whole.folder).records)
    assert [a["reason"] for a in recorded] == [a.reason for a in whole.alerts]
    assert [words for _, words in whole.told.words] == [a.reason for a in whole.alerts]
    assert all(len(link.buzzed) == len(whole.alerts) for link in whole.links.values())
    assert whole.said.count("ALERT") == len(whole.alerts)
    with Store(whole.folder.parent / "store.sqlite3") as store:
        assert [a["reason"] for a in store.alerts(whole.session_id)] == [a.reason for a in whole.alerts]


def test_a_sensor_is_named_by_words_and_not_by_its_key(whole: Run) -> None:
    assert "  upper lumbar: connected" in whole.said
    assert "upper_lumbar" not in whole.said


def test_what_comes_late_raises_no_alert_and_is_in_the_final_result(whole: Run, holed: Run, tmp_path: Path) -> None:
    missed = whole.alerts[0]
    assert missed.about_s not in {a.about_s for a in holed.alerts}
    made = final_records(holed.folder)
    full = final_records(whole.folder)
    assert [a["about_s"] for a in made.alerts] == [a.about_s for a in holed.alerts]
    bend = [e for e in full.events if e["kind"] == "bend" and abs(float(str(e["start_s"])) - missed.about_s) < 2.0]
    assert bend
    found = [e for e in made.events if e["kind"] == "bend"]
    assert any(abs(float(str(e["start_s"])) - missed.about_s) < 2.0 for e in found), "the final result has the bend"
    gaps = [e for o in holed.outputs for e in o.events if e.kind == "gap" and e.end_s - e.start_s > 15.0]
    assert gaps, "live had a gap there"


def test_the_final_result_takes_the_place_of_live_as_the_next_revision_and_keeps_its_alerts(holed: Run) -> None:
    with Store(holed.folder.parent / "store.sqlite3") as store:
        assert store.sessions()[0].result == "live"
        assert len(store.epochs(holed.session_id)) == len(holed.epochs)
        kept = store.alerts(holed.session_id)
        found = finished(holed.folder, store, holed.session_id)
        assert not found.none
        (session,) = store.sessions()
        assert (session.result, session.revision) == ("final", 2)
        assert session.end_utc is not None
        assert store.alerts(holed.session_id) == kept
    words = difference_words(found, 2000)
    assert "differs from live" in words
    assert "2000 samples that came late" in words
    assert {p.suffix for p in holed.folder.iterdir()} == {".json", ".jsonl", ".parquet"}


def test_silence_shows_no_data_within_three_seconds_and_never_the_last_angle(tmp_path: Path) -> None:
    fed = packets(until_s=40.0)
    last_s = fed[-1].host_time_ns / 1e9
    run = monitored(tmp_path, fed, silence_s=6.0, look_s=(last_s - 1.0, last_s + 3.0))
    before, after = run.screens.values()
    assert " deg" in row(before, "lumbar flexion")
    assert "no data" not in row(before, "activity")
    assert "no data" in row(after, "lumbar flexion")
    assert "no data for" in row(after, "activity")
    assert "deg" not in row(after, "lumbar flexion")


def test_a_panel_that_is_drawn_again_shows_what_has_happened_since(whole: Run) -> None:
    pipeline = live_pipeline(meta(BOTH))
    view = View.live(pipeline.calibration, Config(), title="t", subtitle="s")

    def screen() -> str:
        plain = io.StringIO()
        console = Console(file=plain, width=80)
        console.print(view.render(console))
        return plain.getvalue()

    assert "events 0" in screen()
    assert "none yet" in row(screen(), "events 0")
    for n, output in enumerate((o for o in whole.outputs if o.events or o.alerts), 1):
        view.update(output, float(n))
        assert f"events {view.events_n}" in screen()
        assert f"alerts {view.alerts_n}" in screen()
    assert "none yet" not in screen()


def test_news_that_has_no_room_in_the_panel_stays_whole_above_it() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    pipeline = live_pipeline(meta(BOTH))
    view = View.live(pipeline.calibration, Config(), title="t", subtitle="s")
    source = LiveSource([], None, None, FedClock(), say=print)  # type: ignore[arg-type]
    monitor = Monitor(source, pipeline, None, view, Told(), console, datetime.now(UTC), None)  # type: ignore[arg-type]
    monitor._live = Live(view.render(console), console=console, auto_refresh=False)
    words = "Bluetooth is off: switch it on: bluetoothctl power on, or in the settings of the desktop, or at a switch"
    with monitor._live, asyncio.Runner() as runner:

        async def say(text: str) -> None:
            monitor.say(text)

        runner.run(say("short"))
        assert out.getvalue().count("short") == 1
        runner.run(say(words))
    assert words in " ".join(out.getvalue().split())


def test_a_link_in_trouble_is_a_line_with_its_reason() -> None:
    fine = LinkStatus(LinkState.STREAMING, 0, "LPS-1 is connected", 81)
    assert status_words(fine, 10**9) == "streaming, battery 81 %"
    lost = replace(fine, state=LinkState.LOST, reason="the link was lost", overwritten=52, charging=True)
    words = status_words(lost, 12 * 10**9)
    assert words.startswith("lost for 12 s: the link was lost, battery 81 %, charging")
    assert "52 samples overwritten" in words


def test_a_battery_is_spoken_of_at_20_and_10_per_cent_and_when_it_will_not_last_the_day() -> None:
    state = BatteryState()
    said = [watch(state, pct, hour / 10, charging=False) for hour, pct in enumerate(range(100, 0, -1))]
    spoken = [(100 - k, words) for k, words in enumerate(said) if words]
    assert [pct for pct, words in spoken if "charge the sensor" in words] == [20, 10]
    assert not [w for _, w in spoken if "will not last" in w], "10 h of battery last 9 h of wear"
    fast = BatteryState()
    said = [watch(fast, 100 - 4 * k, k / 10, charging=False) for k in range(10)]
    assert sum("will not last the day" in w for w in said if w) == 1
    charging = BatteryState()
    assert watch(charging, 9, 0.0, charging=True) is None
    assert watch(BatteryState(), None, 0.0, charging=False) is None


def test_the_difference_is_a_sentence() -> None:
    none = Difference(0, 0, 0, {}, {})
    assert difference_words(none, 0) == "The final result says what live said; nothing came late."
    some = Difference(12, 3, 0, {"bend": 4, "roll": 3}, {"gap": 1, "bend": 3})
    words = difference_words(some, 624)
    for part in (
        "+12 s",
        "3 s of context",
        "bend: 3 with other times or verdict, bend: 1 more",
        "roll: 3 more",
        "gap: 1 less",
        "624 samples that came late",
    ):
        assert part in words


def test_a_session_compacts_after_the_fact(whole: Run) -> None:
    before = final_records(whole.folder)
    compact(whole.folder)
    after = final_records(whole.folder)
    assert after.events == before.events


def test_a_report_can_be_made_while_the_session_goes_on(whole: Run, tmp_path: Path) -> None:
    begun, epochs = Session.open(whole.folder).meta, final_records(whole.folder).epochs
    calibration = live_pipeline(begun).calibration
    with Store(tmp_path / "store.sqlite3") as store:
        session = store.put_session(
            folder=begun.session_id,
            start_utc=begun.start_utc,
            zone=begun.zone,
            about=live_about(begun, Config(), calibration),
            code_version="1",
            made_utc=begun.start_utc,
        )
        store.put_epochs(session, epochs)
        on = Clock(begun.start_utc, ZoneInfo(begun.zone)).day_of(float(epochs.start_s[0]))
        assert on is not None
        day = days_of(store, on, on)[on]
    assert day.session.calibration.grade == calibration.grade
    assert day.session.judges == calibration.judges()
    assert any("had not ended" in note for note in day.session.notes)


def test_a_session_goes_on_with_the_alert_policy_of_the_one_before_on_that_day_only() -> None:
    began = datetime(2026, 3, 2, 8, tzinfo=UTC)
    state = AlertState(last_sitting_s=3000.0, said_n={"bend": 2})
    sensor = Enrolled("0011223344556677", Placement.SACRUM, "LPS-6677", "h", True)
    profile: dict[str, JsonValue] = {SALT_KEY: "secret", f"{BATTERY_KEY}0011223344556677": [80, "x"], "height_cm": 180}
    have = Known((sensor,), None, profile, state, began)
    later = meta_of(have, Config(), start_utc=began + timedelta(hours=1), zone="UTC", salt="secret")
    assert later.alert_state is not None
    again = AlertState.from_json(later.alert_state, source="test")
    assert (again.last_sitting_s, again.said_n) == (-600.0, {"bend": 2})
    assert later.profile == {"height_cm": 180}
    assert "0011223344556677" not in later.to_json()
    assert "secret" not in later.to_json()
    night, morning = (
        meta_of(have, Config(), start_utc=began + timedelta(hours=h), zone="UTC", salt="s") for h in (19, 20)
    )
    assert night.alert_state is not None, "03:00 belongs to the day before"
    assert morning.alert_state is None, "less than 24 h later, and another day: what was said yesterday does not count"


def test_the_limits_of_a_day_begin_anew_at_four_live_and_in_a_replay_bit_for_bit(tmp_path: Path) -> None:
    """One cue on bends a day, and 04:00 in the middle of the rounded ones: 110 s after the start."""
    start = datetime(2026, 3, 2, 3, 58, 10, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    alerts = AlertsConfig(lean_per_day=1, lean_spacing_s=1.0)
    about = replace(meta(BOTH), start_utc=start, config=Config(alerts=alerts).as_json())
    run = monitored(tmp_path, packets(until_s=125.0), about=about)
    before, after = (a for a in run.alerts if a.kind == "bend")
    assert before.raised_s < 110.0 <= after.raised_s
    assert as_live(run.folder)[2] == run.alerts
    by_day = replace(about, session_id="s2", start_utc=meta().start_utc)
    at_nine = monitored(tmp_path, packets(until_s=125.0), name="s2", about=by_day)
    assert [a for a in at_nine.alerts if a.kind == "bend"] == [before]


def test_a_monitor_that_was_restarted_goes_on_with_the_meter_live_and_in_a_replay(tmp_path: Path) -> None:
    first = monitored(tmp_path, packets(until_s=60.0), about=with_meter("s1", 0.7))
    with Store(tmp_path / "store.sqlite3") as store:
        memory = store.policy_state()
    assert memory is not None
    left = float(first.epochs.creep[first.epochs.start_s == memory.state.seen_s][0])
    assert memory.state.creep == left > 0.1
    have = Known((), None, {}, memory.state, meta().start_utc)
    begun = meta_of(have, Config(), start_utc=meta().start_utc + timedelta(minutes=5), zone="Europe/Berlin", salt="s")
    second = monitored(
        tmp_path, packets(until_s=60.0), name="s2", about=replace(meta(name="s2"), alert_state=begun.alert_state)
    )
    assert second.epochs.creep[0] == left, "4 min away hold it"
    epochs, _, _ = as_live(second.folder)
    np.testing.assert_array_equal(epochs.creep, second.epochs.creep)


def with_meter(name: str, creep: float) -> SessionMeta:
    """A session that begins a minute after one that left the meter there."""
    return replace(meta(name=name), alert_state=AlertState(creep=creep, seen_s=-61.0).to_json())


def test_a_session_that_ran_over_four_hands_on_the_counts_of_the_new_day() -> None:
    """From 23:00 to 06:00; what was said after 04:00 still counts at 08:00, and no more the next morning."""
    sensor = Enrolled("0011223344556677", Placement.SACRUM, "LPS-6677", "h", True)
    began = datetime(2026, 3, 2, 23, tzinfo=UTC)
    have = Known((sensor,), None, {}, AlertState(said_n={"bend": 2}, day_ends_s=29 * 3600.0), began)
    for later_h, kept in ((9, True), (28, True), (29, False)):
        made = meta_of(have, Config(), start_utc=began + timedelta(hours=later_h), zone="UTC", salt="s")
        assert (made.alert_state is not None) == kept
        assert made.alert_state is None or made.alert_state["day_ends_s"] == (29 - later_h) * 3600.0


def test_a_declared_workout_is_recorded_counts_its_squats_and_replays_bit_for_bit(tmp_path: Path) -> None:
    run = monitored(tmp_path, packets(), workout_s=(50.0, 90.0))
    lines = [r for r in Session.open(run.folder).records if r["kind"] == "workout"]
    assert [(r["state"], r["exercise"]) for r in lines] == [("start", "squat"), ("stop", "squat")]
    assert [50.0 < r["tick"] / 50.0 < 92.0 for r in lines] == [True, True]
    events = [e for o in run.outputs for e in o.events]
    (squats,) = [e for e in events if e.kind == "exercise_set" and e.evidence["declared"]]
    assert (squats.evidence["exercise"], squats.evidence["reps"]) == ("squat", 7)
    epochs, replayed_events, alerts = as_live(run.folder)
    assert replayed_events == events
    assert alerts == run.alerts
    np.testing.assert_array_equal(epochs.context, run.epochs.context)


SAID: dict[float, tuple[str, dict[str, JsonValue]]] = {
    30.0: ("resume", {}),
    112.0: ("answer", {"said": "wrong"}),
    115.0: ("snooze", {"minutes": 60}),
    120.0: ("snooze", {"minutes": 0.5}),
    150.0: ("status", {}),
    152.0: ("pause", {}),
    153.0: ("snooze", {}),
    158.0: ("resume", {}),
}
"""The cue on the bend at 105 s is called wrong, that on the way to the floor at 143 s falls into a snooze."""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return monitored(tmp_path_factory.mktemp("answered"), packets(), asks=SAID, look_s=(130.0, 155.0))


def test_what_the_wearer_asks_is_recorded_holds_alerts_back_and_replays_bit_for_bit(whole: Run, answered: Run) -> None:
    assert [a.kind for a in whole.alerts] == ["bend", "floor_transition"]
    assert answered.alerts == whole.alerts[:1]
    lines = [r for r in Session.open(answered.folder).records if r["kind"] not in ("alert", "end")]
    assert [r["kind"] for r in lines] == ["answer", "snooze", "snooze", "pause", "resume"]
    assert [r.get("minutes") for r in lines] == [None, 60, 0.5, None, None]
    for line, said_s in zip(lines, (112.0, 115.0, 120.0, 152.0, 158.0), strict=True):
        assert said_s < line["tick"] / 50.0 < said_s + 2.0
    _, events, alerts = as_live(answered.folder)
    assert alerts == answered.alerts
    assert events == [e for o in answered.outputs for e in o.events]


def test_a_replay_that_does_not_know_of_the_snooze_raises_the_alert_that_it_held_back(
    whole: Run, answered: Run, tmp_path: Path
) -> None:
    deaf = shutil.copytree(answered.folder, tmp_path / "deaf")
    kept = [line for line in (deaf / "records.jsonl").read_text().splitlines(keepends=True) if '"snooze"' not in line]
    (deaf / "records.jsonl").write_text("".join(kept))
    assert as_live(deaf)[2] == whole.alerts


def test_both_results_have_the_alerts_with_their_answers_and_the_silences(answered: Run) -> None:
    made = []
    for live in (False, True):
        prepared = prepare(ReplayRequest(answered.folder, as_live=live))
        made.append(records(prepared, replayed(prepared, prepared.recording.batches())))
    final, again = made
    assert final.alerts == again.alerts
    assert [a.get("answer") for a in final.alerts] == ["wrong"]
    assert final.session["silences"] == again.session["silences"]
    lengths = [(s["act"], s["to_s"] - s["from_s"]) for s in final.session["silences"]]  # type: ignore[union-attr,index,operator,call-overload]
    assert [act for act, _ in lengths] == ["snooze", "snooze", "pause"]
    assert [s for _, s in lengths] == pytest.approx([5.0, 30.0, 6.0], abs=1.5)
    with Store(answered.folder.parent / "store.sqlite3") as store:
        (alert,) = store.alerts(answered.session_id)
        assert [a["said"] for a in alert["answers"]] == ["wrong"]  # type: ignore[union-attr,index,call-overload]
        kept = silences(store.actions(answered.session_id), begun=Quiet(), end_s=answered.ended.end_ns / 1e9)
    assert [(str(s.act), s.from_s) for s in kept] == [(s["act"], s["from_s"]) for s in final.session["silences"]]  # type: ignore[union-attr,index,call-overload]


def test_each_request_gets_one_plain_line_and_what_makes_no_sense_is_refused(answered: Run) -> None:
    said = [str(r.get("refused") or r["lines"][0]) for r in answered.replies]  # type: ignore[index,call-overload]
    assert said[0] == "alerts are neither paused nor snoozed"
    assert said[1] == "Kept: the alert of 09:01 (bend) was wrong."
    assert said[2].startswith("No alerts until 10:01")
    assert said[3].startswith("No alerts until 09:02")
    assert said[5] == "Alerts are paused, the recording goes on. Next: posture resume"
    assert said[6] == "alerts are paused since 09:02; posture resume ends it"
    assert said[7] == "Alerts are on again."
    status = answered.replies[4]["lines"]
    assert status == [
        "posture run since 09:00 (2.5 min), preset balanced: s1",
        "sacrum: streaming, battery 80 %",
        "upper lumbar: streaming, battery 80 %",
        "1 alert, the last at 09:01 (bend, called wrong)",
        "no alerts until 09:02",
    ]
    snoozed, paused = answered.screens.values()
    assert "no alerts until 09:02; s" in snoozed
    assert "alerts paused since 09:02; s" in paused


def test_what_is_asked_holds_behind_all_that_was_decided_where_the_clock_is_not(tmp_path: Path) -> None:
    """A sensor's clock can run ahead of ours: a snooze from before an alert that was raised would take it back in a replay."""
    asks: dict[float, tuple[str, dict[str, JsonValue]]] = {110.0: ("snooze", {"minutes": 1}), 111.0: ("dance", {})}
    run = monitored(tmp_path, packets(until_s=115.0), asks=asks, clock_behind_s=30.0)
    assert [a.kind for a in run.alerts] == ["bend"]
    assert as_live(run.folder)[2] == run.alerts
    assert "older version" in str(run.replies[1]["refused"])


def test_a_snooze_for_the_rest_of_the_day_is_recorded_as_minutes_up_to_four(tmp_path: Path) -> None:
    about = meta(BOTH)  # from 09:00 in Berlin
    with SessionWriter.create(tmp_path / "s1", about) as writer:
        asked = Asked(about, live_pipeline(about), writer)
        heard = asked.hear(Request(1, "snooze", {"rest_of_day": True}), 50 * 600)
    assert heard.words == "No alerts until 04:00; posture resume ends it earlier."
    (action,) = user_actions(Session.open(tmp_path / "s1").records)
    assert (action.at_s, action.until_s) == (600.0, pytest.approx(19 * 3600.0))
    assert asked.pipeline.actions == [action]


def test_the_screen_says_that_quiet_hours_hold_alerts_back(tmp_path: Path) -> None:
    alerts = {**Config().as_json()["alerts"], "quiet_from": "09:10", "quiet_to": "09:20"}  # type: ignore[dict-item]
    about = replace(meta(BOTH), config={**Config().as_json(), "alerts": alerts})  # from 09:00 in Berlin
    with SessionWriter.create(tmp_path / "s1", about) as writer:
        asked = Asked(about, live_pipeline(about), writer)
        assert [asked.notice(60.0 * m) for m in (9, 10, 20)] == ["", "quiet hours until 09:20", ""]


def test_an_alert_comes_with_buttons_that_do_what_the_commands_do(tmp_path: Path, whole: Run) -> None:
    assert [[b.label for b in shown] for shown in whole.told.buttons] == [["Snooze 30 min", "That was wrong"]] * 2
    run = monitored(tmp_path, packets(), told=Told(presses=True))
    assert run.alerts == whole.alerts[:1]
    lines = [(r["kind"], r.get("minutes"), r.get("answer")) for r in Session.open(run.folder).records]
    assert lines == [("alert", None, None), ("snooze", 30.0, None), ("answer", None, "wrong"), ("end", None, None)]
    assert as_live(run.folder)[2] == run.alerts
    with Store(tmp_path / "store.sqlite3") as store:
        assert [a["said"] for a in store.alerts(run.session_id)[0]["answers"]] == ["wrong"]  # type: ignore[union-attr,index,call-overload]
        assert len(store.actions(run.session_id)) == 1


def test_a_session_goes_on_with_the_silence_of_the_one_before_for_the_rest_of_its_day() -> None:
    began = datetime(2026, 3, 2, 8, tzinfo=UTC)
    sensor = Enrolled("0011223344556677", Placement.SACRUM, "LPS-6677", "h", True)
    berlin = ZoneInfo("Europe/Berlin")

    def later(hours: float, quiet: Quiet) -> Quiet:
        have = Known((sensor,), None, {}, quiet=quiet, quiet_of=Clock(began, berlin))
        made = meta_of(have, Config(), start_utc=began + timedelta(hours=hours), zone="Europe/Berlin", salt="s")
        return AlertState.from_json(made.alert_state, source="test").quiet if made.alert_state else Quiet()

    assert later(1, Quiet(snoozed_until_s=5400.0)) == Quiet(snoozed_until_s=1800.0)
    assert later(2, Quiet(snoozed_until_s=5400.0)) == Quiet()
    assert later(1, Quiet(paused_from_s=600.0)) == Quiet(paused_from_s=-3000.0)
    assert later(18.9, Quiet(paused_from_s=600.0)) != Quiet(), "03:54 still belongs to the day"
    assert later(19.1, Quiet(paused_from_s=600.0)) == Quiet(), "at 04:06 a new one has begun"


@pytest.mark.parametrize(
    ("start", "length_h"), [((2026, 3, 28, 4), 23.0), ((2026, 10, 24, 4), 25.0), ((2026, 3, 2, 20), 8.0)]
)
def test_the_rest_of_the_day_ends_at_four_in_the_morning_on_the_wall(
    start: tuple[int, int, int, int], length_h: float
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    days = Days(datetime(*start, tzinfo=berlin).astimezone(UTC), berlin)
    for now_s in (0.0, 1800.0, length_h * 3600.0 - 1.0):
        assert days.ends_s(now_s) == length_h * 3600.0
    assert days.ends_s(length_h * 3600.0) == (length_h + 24.0) * 3600.0
