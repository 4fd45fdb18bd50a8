"""A session replayed: as live bit for bit, final as if nothing had been lost, near to the recording that it was made from."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import first_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from radio import Device
from sessions import (
    BOTH,
    NS,
    Bench,
    Boot,
    averages,
    excerpt_boot,
    in_order,
    info_of,
    live,
    meta,
    noise,
    recorded,
    thinned,
)
from streams import CONFIG, EXCERPT, POSES
from typer.testing import CliRunner

from firmware_protocol.status import encode_info
from posture.app.cli import app
from posture.config import ClockConfig
from posture.outputs import alert_record
from posture.pipeline import Output
from posture.recording.session import SessionDecoder, SessionMeta, compact, open_session, tick_of
from posture.recording.session.gather import gather
from posture.recording.session.merge import Merged, best_rows, final_fits, merge, session_times
from posture.recording.session.packets import PacketBlock
from posture.replay import Prepared, ReplayRequest, Result, live_pipeline, prepare, records, run
from posture.revision import Why, changes
from posture.types import ClockFit, EpochBlock, InputError, PacketKind, Preset, RawPacket

SACRUM, UPPER = BOTH
PARAMS = ClockConfig()
LOST = [(700.0, 760.0), (1500.0, 1500.8), (1980.0, 2300.0)]
"""The second is one hiccup, the third lasts five minutes."""


# ---- one sensor's record


def merged(packets: Sequence[RawPacket], end_s: float = 1e6) -> Merged:
    return merge([PacketBlock.of(packets)], SACRUM, PARAMS, end_s=end_s)


def boot_of(n: int = 20_000, **other: Any) -> Boot:
    return Boot(7, 2.0, noise(n, 1), 52.3, Device(40.0, 11.0), **other)


def test_a_lossy_session_with_everything_backfilled_holds_the_samples_of_a_lossless_one() -> None:
    boots = [boot_of(), Boot(8, 400.0, noise(10_000, 2), 52.3)]
    whole = merged(Bench(SACRUM, boots, 52.0, jitter=False).made())
    lossy = Bench(
        SACRUM, boots, 52.0, jitter=False, lost=[(50.0, 110.0), (399.0, 405.0)], duplicates=0.05, corrupted=0.0
    )
    found = merged(lossy.made())
    assert len(whole.stretches) == len(found.stretches) == 2
    for a, b in zip(whole.stretches, found.stretches, strict=True):
        np.testing.assert_array_equal(a.row, b.row)
        np.testing.assert_array_equal(a.samples, b.samples)
        assert a.segment.rate_hz == pytest.approx(b.segment.rate_hz, rel=1e-6)
        np.testing.assert_allclose(a.session_s, b.session_s, atol=0.003)
    np.testing.assert_allclose(found.late, [(50.0, 110.0), (400.0, 405.0)], atol=0.5)
    assert not whole.late


def test_late_samples_do_not_depend_on_when_or_how_often_they_came() -> None:
    packets = Bench(SACRUM, [boot_of()], 52.0, lost=[(50.0, 110.0)]).made()
    ring = [p for p in packets if p.kind == "backfill"]
    rest = [p for p in packets if p.kind != "backfill"]
    later = [replace(p, host_time_ns=390 * NS) for p in reversed(ring)]
    a, b = merged(packets), merged(in_order(rest, later, later))
    np.testing.assert_array_equal(a.stretches[0].samples, b.stretches[0].samples)
    np.testing.assert_array_equal(a.stretches[0].session_s, b.stretches[0].session_s)


def test_full_rate_replaces_averages_and_averages_never_replace_full_rate() -> None:
    """Half of a loss comes thinned; of a part of that the full rate comes too, before it in one case and after it in the other."""
    boot = boot_of()
    thin = Bench(SACRUM, [boot], 52.0, lost=[(50.0, 110.0)], thin=[(0.0, 80.0)], jitter=False).made()
    full = Bench(SACRUM, [boot], 52.0, lost=[(50.0, 65.0)], jitter=False).made()
    ring = [p for p in full if p.kind == "backfill"]
    for at_s in (49.0, 390.0):
        found = merged(in_order(thin, [replace(p, host_time_ns=round(at_s * NS)) for p in ring]))
        assert [s.config.decimation for s in found.stretches] == [1, 4, 1]
        first, middle, last = found.stretches
        assert middle.session_s[0] == pytest.approx(65.5, abs=1.6)
        assert middle.session_s[-1] == pytest.approx(80.0, abs=1.6)
        assert middle.segment.rate_hz == pytest.approx(52.3 / 4, rel=1e-5)
        np.testing.assert_array_equal(middle.samples, averages(boot.samples)[middle.row])
        np.testing.assert_array_equal(first.samples, boot.samples[: len(first.row)])
        np.testing.assert_array_equal(last.samples, boot.samples[last.row])
        assert last.row[0] - 4 * (middle.row[-1] + 1) < 4
        taken_s = boot.true_s(4 * middle.row + 1.5)
        np.testing.assert_allclose(middle.session_s, taken_s, atol=0.03)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_merge_is_the_plain_rule_whatever_came_in_whatever_order(data: st.DataObject) -> None:
    """Sample by sample: the first full-rate copy; an average only where none of its four samples came at the full rate."""
    boot = Boot(7, 2.0, noise(76 * 12, 1), 52.0)
    spots = st.integers(0, 76 * 12 // 19 - 1)
    full = data.draw(st.lists(spots, max_size=40))
    thin = data.draw(st.lists(st.integers(0, 11), max_size=12))
    kinds = data.draw(st.permutations([(1, 19 * k) for k in full] + [(2, 76 * k) for k in thin]))
    info = encode_info(info_of(52.0))
    packets = [RawPacket(SACRUM, 0, PacketKind.INFO, info)]
    for k, (config, head) in enumerate(kinds):
        payload = thinned(boot, head) if config == 2 else live(boot, head, boot.samples[head : head + 19])
        packets.append(RawPacket(SACRUM, k + 1, PacketKind.BACKFILL, payload))
    found = gather([PacketBlock.of(packets)])
    decimation = np.array([c.decimation for c in found.configs] or [1])
    own = np.argsort(found.frames.index, kind="stable")
    parts = list(best_rows(found, own, decimation)) if len(own) else []
    got = [
        (int(i), found.configs[int(p)].decimation)
        for index, _, place in parts
        for i, p in zip(index, place, strict=True)
    ]
    at_full = sorted({19 * k + j for k in full for j in range(19)})
    have = set(at_full)
    averaged = sorted({76 * k + 4 * j for k in thin for j in range(19)})
    expected = [(i, 1) for i in at_full] + [(i, 4) for i in averaged if not have & {i, i + 1, i + 2, i + 3}]
    assert got == sorted(expected)
    for index, at, place in parts:
        for i, k, p in zip(index.tolist(), at.tolist(), place.tolist(), strict=True):
            plain = boot.samples[i] if found.configs[p].decimation == 1 else averages(boot.samples[i : i + 4])[0]
            np.testing.assert_array_equal(found.frames.samples[k], plain)


def test_what_the_ring_had_before_the_session_and_boots_that_were_never_live_are_left_out() -> None:
    boot = boot_of()
    packets = Bench(SACRUM, [boot], 52.0, lost=[(-10.0, 30.0)]).made()
    early = [replace(p, host_time_ns=p.host_time_ns - 20 * NS) for p in packets if p.host_time_ns > 20 * NS]
    info = [p for p in packets if p.kind == "info"]
    strange = Bench(SACRUM, [Boot(9, 2.0, noise(760, 3), 52.3)], 52.0, lost=[(0.0, 1e6)]).made()
    ring = [replace(p, host_time_ns=200 * NS) for p in strange if p.kind == "backfill"]
    found = merged(in_order([replace(p, host_time_ns=0) for p in info], early, ring), end_s=300.0)
    assert found.stretches[0].session_s[0] == pytest.approx(0.0, abs=0.02)
    assert found.stretches[-1].session_s[-1] <= 300.0
    assert found.undated_n == 760


def test_a_stray_frame_ends_no_era() -> None:
    boot = boot_of()
    packets = Bench(SACRUM, [boot], 52.0).made()
    strays = [
        RawPacket(SACRUM, 60 * NS + k, packets[100].kind, Bench(SACRUM, [b], 52.0, seed=k).made()[1].payload)
        for k, b in enumerate((replace(boot, number=77), replace(boot, first_index=3_000_000_000)))
    ]
    a, b = merged(packets), merged(in_order(packets, strays))
    assert len(b.stretches) == 1
    np.testing.assert_array_equal(a.stretches[0].row, b.stretches[0].row)


def test_the_final_clock_is_right_from_the_first_second_on() -> None:
    """Live it takes 15 min; the slope that is known at the end holds for the start too."""
    boot = Boot(7, 2.0, noise(52 * 3000, 1), 53.1, Device(80.0, 11.0))
    found = merged(Bench(SACRUM, [boot], 52.0, seed=4).made())
    (stretch,) = found.stretches
    error = stretch.session_s - boot.true_s(stretch.row)
    assert np.abs(error).max() < 0.010
    assert np.ptp(error) < 0.005


def test_a_clock_that_changes_its_drift_over_the_day_is_followed_in_the_final_result() -> None:
    """A fit is of the hour before it: used from the middle of that hour, not for the whole day."""
    fits = [ClockFit(SACRUM, 0, 0, 0.0, 1.0, 0.0, 1.0, 1.0)]
    for k in range(1, 100):
        at_s = 600.0 + 300.0 * k
        drift = 20.0 + 10.0 * at_s / 3600.0
        fits.append(ClockFit(SACRUM, 0, round(at_s * 50), at_s, 1.0 + drift * 1e-6 * at_s / 2, drift, 0.0, 0.1))
    found = final_fits(fits, PARAMS)
    starts = [f.from_tick for f in found]
    assert starts[0] == 0
    assert np.all(np.diff(starts) > 0)
    assert found[5].from_tick / 50 == pytest.approx(found[5].at_s - PARAMS.reach_s / 2, abs=2.0)
    times = session_times(found, np.arange(0.0, 30_000.0, 0.1))
    assert np.all(np.diff(times) >= 0)


# ---- the whole session


@cache
def packets_of(*, lossy: bool, seed: int = 0) -> tuple[RawPacket, ...]:
    """The shipped excerpt worn by two sensors whose rates and clocks are off, one of them at 51 Hz; its own holes stay holes."""
    found = []
    for k, placement in enumerate(BOTH):
        boot, holes = excerpt_boot(placement, 40 + k, rate_hz=(51.0, 52.4)[k], ppm=(-70.0, 50.0)[k])
        lost = LOST if lossy else ()
        bench = Bench(placement, [boot], 52.0, seed=seed + k, lost=lost, deaf=holes)
        if lossy:
            bench.duplicates, bench.corrupted = 0.01, 0.001
        found.append(bench.made())
    ordered = in_order(*found)
    return tuple(replace(p, host_time_ns=p.host_time_ns + k) for k, p in enumerate(ordered))


END_NS = 2760 * NS


def lived(packets: Sequence[RawPacket], about: SessionMeta) -> Result:
    """What a live run makes of them: in pieces of half a second at first, of 7 s later, through pickle on the way."""
    decoder = SessionDecoder(about.placements, CONFIG.clock)
    pipeline = live_pipeline(about)
    result = Result()
    at, until_ns, pieces_n = 0, 0, 0
    while until_ns < END_NS:
        until_ns = min(until_ns + (NS // 2 if pieces_n < 400 else 7 * NS), END_NS)
        pieces_n += 1
        first = at
        while at < len(packets) and packets[at].host_time_ns <= until_ns:
            at += 1
        result.add(pipeline.push(decoder.push(packets[first:at], until_ns)))
        if pieces_n % 100 == 0:
            decoder = SessionDecoder(about.placements, CONFIG.clock, pickle.loads(pickle.dumps(decoder.state)))
    result.add(pipeline.push(decoder.flush(END_NS)))
    result.add(pipeline.flush(END_NS / 1e9))
    result.ended(pipeline)
    return result


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A session with losses, and what live said of it; the alerts are in its records, the first one answered."""
    packets = list(packets_of(lossy=True))
    live = lived(packets, meta())
    folder = tmp_path_factory.mktemp("lossy") / "s1"
    lines: list[dict[str, Any]] = [
        {"kind": "alert", "tick": tick_of(round(a.raised_s * NS)), "id": k, "alert": alert_record(a)}
        for k, a in enumerate(live.alerts)
    ]
    lines.append({"kind": "answer", "tick": 5000, "id": 0, "answer": "wrong"})
    recorded(folder, packets, meta(), every=2000, end_ns=END_NS, lines=lines)
    return folder, live


@cache
def final_of(folder: Path) -> tuple[Prepared, Result]:
    made = prepare(ReplayRequest(folder))
    return made, run(made, made.recording.batches())


def said(result: Result | Output) -> tuple[EpochBlock, list[Any], list[Any]]:
    return EpochBlock.joined(result.epochs), list(result.events), list(result.alerts)


def test_as_live_is_live_bit_for_bit_with_losses_repeats_and_damage(lossy: tuple[Path, Result]) -> None:
    folder, live = lossy
    for _ in ("stream", "table"):
        made = prepare(ReplayRequest(folder, as_live=True))
        again = run(made, made.recording.batches())
        assert first_difference(said(live), said(again)) is None
        assert again.notes == live.notes
        compact(folder)
    assert len(live.alerts) >= 2


def test_quiet_hours_hold_back_the_same_alerts_live_and_as_live(lossy: tuple[Path, Result], tmp_path: Path) -> None:
    """The session begins at 09:00 in Berlin; its zone and start are all the clock that there is."""
    spoken = [a.raised_s for a in lossy[1].alerts]
    until = f"09:{int(spoken[0] // 60) + 1:02d}"
    alerts = CONFIG.alerts.model_copy(update={"quiet_from": "22:00", "quiet_to": until})
    about = replace(meta(), config=CONFIG.model_copy(update={"alerts": alerts}).as_json())
    packets = list(packets_of(lossy=True))
    live = lived(packets, about)
    recorded(tmp_path / "s1", packets, about, every=2000, end_ns=END_NS)
    made = prepare(ReplayRequest(tmp_path / "s1", as_live=True))
    again = run(made, made.recording.batches())
    assert first_difference(said(live), said(again)) is None
    assert live.alerts
    assert spoken[0] not in [a.raised_s for a in live.alerts]


def test_an_answer_counts_in_a_session_live_and_as_live_and_not_in_a_sample_file(
    lossy: tuple[Path, Result],
) -> None:
    live, again = live_pipeline(meta()), prepare(ReplayRequest(lossy[0], as_live=True)).pipeline()
    assert live.hears_answers
    assert again.hears_answers
    assert not prepare(ReplayRequest(EXCERPT, poses=POSES)).pipeline().hears_answers


def test_a_final_result_keeps_the_alerts_that_were_raised_with_their_answers(lossy: tuple[Path, Result]) -> None:
    folder, live = lossy
    made, result = final_of(folder)
    alerts = records(made, result).alerts
    assert [{k: v for k, v in a.items() if k != "answer"} for a in alerts] == [alert_record(a) for a in live.alerts]
    assert [a.get("answer") for a in alerts][:2] == ["wrong", None]


def test_the_final_result_is_that_of_a_session_without_losses(lossy: tuple[Path, Result], tmp_path: Path) -> None:
    whole = recorded(tmp_path / "whole", list(packets_of(lossy=False)), meta(), every=2000, end_ns=END_NS)
    _, a = final_of(whole)
    _, b = final_of(lossy[0])
    x, y = EpochBlock.joined(a.epochs), EpochBlock.joined(b.epochs)
    np.testing.assert_array_equal(x.context, y.context)
    off_deg = np.abs(x.flexion_deg - y.flexion_deg)
    assert np.nanmax(off_deg) < 1.0  # spoilt frames, which this bench does not send again
    assert np.nanpercentile(off_deg, 95) < 0.05
    assert Counter((e.kind, e.verdict) for e in a.events) == Counter((e.kind, e.verdict) for e in b.events)
    live = EpochBlock.joined(lossy[1].epochs)
    assert np.count_nonzero(np.isnan(live.flexion_deg) & ~np.isnan(y.flexion_deg)) > 350  # live lacked it


def test_where_and_why_the_final_result_differs_from_live(lossy: tuple[Path, Result]) -> None:
    folder, live = lossy
    made, final = final_of(folder)
    late = open_session(folder).late
    for placement in BOTH:
        np.testing.assert_allclose(late[placement], LOST, atol=0.3)
    found = changes(EpochBlock.joined(live.epochs), EpochBlock.joined(final.epochs), late)
    seconds = Counter[Why]()
    for change in found:
        seconds[change.why] += round(change.to_s - change.from_s)
    assert seconds[Why.LATE] >= 375
    assert seconds[Why.CLOCK] + seconds[Why.FOLLOWED] < 0.02 * 2750
    longest = max(found, key=lambda c: c.to_s - c.from_s)
    assert (longest.from_s, longest.to_s) == pytest.approx((1980.0, 2300.0), abs=5.0)
    assert longest.was == "gap"
    assert "came late from the sensor's memory" in " ".join(made.notes)


def test_what_only_one_of_two_results_has_is_a_difference(lossy: tuple[Path, Result]) -> None:
    live, nothing = EpochBlock.joined(lossy[1].epochs), EpochBlock.joined([])
    assert changes(live, live, {}) == ()
    assert changes(nothing, nothing, {}) == ()
    first, *_ = changes(nothing, live, {SACRUM: [(0.0, 2760.0)]})
    assert (first.why, first.was) == (Why.LATE, "gap")
    assert changes(live, nothing, {})[0].why is Why.CLOCK


def test_an_encoded_recording_replays_near_to_itself(tmp_path: Path) -> None:
    """One count is 2.4 mm/s^2 and 0.03 deg/s; the rest is the resampling of this test and the sensors' clocks."""
    whole = recorded(tmp_path / "whole", list(packets_of(lossy=False)), meta(), every=2000, end_ns=END_NS)
    _, found = final_of(whole)
    direct = prepare(ReplayRequest(EXCERPT, poses=POSES))
    expected = run(direct, direct.recording.batches())
    a, b = EpochBlock.joined(expected.epochs), EpochBlock.joined(found.epochs)
    n = min(len(a), len(b))
    assert np.mean(a.context[:n] == b.context[:n]) > 0.998
    assert np.nanmedian(np.abs(a.flexion_deg[:n] - b.flexion_deg[:n])) < 0.1
    assert direct.routine is not None  # the packets know of none: its hinges are a set like any other there
    kinds = [
        Counter(
            (e.kind, e.verdict, e.evidence.get("reps"))
            for e in r.events
            if e.kind != "gap" and e.start_s > direct.routine[1]
        )
        for r in (expected, found)
    ]
    assert kinds[0] == kinds[1]


# ---- the command


def test_replay_of_a_session_writes_its_result_and_nothing_into_the_session(
    lossy: tuple[Path, Result], tmp_path: Path
) -> None:
    folder = lossy[0]
    before = {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir()}
    for extra, name, revision in (([], "final", 1), (["--as-live"], "live", 0)):
        out = tmp_path / name
        made = CliRunner().invoke(app, ["replay", str(folder), "--out", str(out), *extra])
        assert made.exit_code == 0, made.output
        about = json.loads((out / "session.json").read_text())
        assert (about["result"], about["revision"], about["session_id"]) == (name, revision, "s1")
        assert about["start_utc"] == "2026-03-02T08:00:00+00:00"
    assert {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir()} == before
    alerts = [json.loads((tmp_path / name / "alerts.json").read_text()) for name in ("final", "live")]
    assert [a["raised_s"] for a in alerts[0]] == [a["raised_s"] for a in alerts[1]]


def test_a_session_is_no_place_for_results(lossy: tuple[Path, Result]) -> None:
    made = CliRunner().invoke(app, ["replay", str(EXCERPT), "--out", str(lossy[0])])
    assert isinstance(made.exception, InputError)
    assert "is a session" in str(made.exception)


def test_a_session_replays_with_its_own_settings_unless_others_are_asked_for(lossy: tuple[Path, Result]) -> None:
    own = prepare(ReplayRequest(lossy[0], as_live=True))
    assert own.config == CONFIG
    quiet = prepare(ReplayRequest(lossy[0], preset=Preset.QUIET, as_live=True))
    assert quiet.config.alerts.preset is Preset.QUIET
    one = prepare(ReplayRequest(lossy[0], sensors=(SACRUM,)))
    assert list(one.calibration.sensors) == [SACRUM]


def test_poses_of_a_session_calibrate_it_as_they_do_the_recording(lossy: tuple[Path, Result]) -> None:
    stored = prepare(ReplayRequest(lossy[0])).calibration
    again = prepare(ReplayRequest(lossy[0], poses=POSES)).calibration
    for placement in BOTH:
        a, b = stored.sensors[placement], again.sensors[placement]
        np.testing.assert_allclose(a.body_from_sensor, b.body_from_sensor, atol=0.02)
        assert a.slump_deg == pytest.approx(b.slump_deg, abs=0.5)


def test_what_cannot_be_replayed_is_refused_in_a_sentence(lossy: tuple[Path, Result], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--smooth is for sample files"):
        prepare(ReplayRequest(lossy[0], smooth=True))
    empty = recorded(tmp_path / "e", [RawPacket(SACRUM, 5, PacketKind.LIVE, b"")], meta())
    with pytest.raises(InputError, match="holds no sample"):
        prepare(ReplayRequest(empty))
    one = recorded(tmp_path / "o", [RawPacket(SACRUM, 5, PacketKind.LIVE, b"")], meta([SACRUM]))
    with pytest.raises(InputError, match="has no upper_lumbar"):
        open_session(one, sensors=[UPPER])
