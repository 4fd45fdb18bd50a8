"""Packets -> batches: the streaming contract, segments, rates, clocks, and that no bytes break it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from contract import Case, check_stage, cuts_of
from hypothesis import given, settings
from hypothesis import strategies as st
from radio import Device
from sessions import BOTH, NS, Bench, Boot, in_order, info_of, live, mini, noise, status, sync, thinned

from firmware_protocol.frames import TICK_HZ, FrameType
from firmware_protocol.status import encode_info
from posture.config import ClockConfig
from posture.recording.session import SessionDecoder
from posture.types import G_MPS2, ClockFit, Float, ImuBatch, ImuBlock, Int, PacketKind, Placement, RawPacket

SACRUM, UPPER = BOTH
PARAMS = ClockConfig()
INFO = encode_info(info_of(52.0))


def decoded(packets: list[RawPacket], placements: tuple[Placement, ...] = (SACRUM,)) -> tuple[ImuBatch, SessionDecoder]:
    decoder = SessionDecoder(placements, PARAMS)
    end_ns = packets[-1].host_time_ns
    first, last = decoder.push(packets, end_ns), decoder.flush(end_ns)
    return ImuBatch(first.blocks + last.blocks, end_ns / NS, first.fits + last.fits), decoder


def joined(blocks: tuple[ImuBlock, ...]) -> dict[tuple[Placement, int], dict[str, Any]]:
    """Rows per sensor and segment, however they were cut."""
    out: dict[tuple[Placement, int], dict[str, Any]] = {}
    for block in blocks:
        assert block.segment is not None
        mine = out.setdefault((block.placement, block.segment.number), {"segment": block.segment})
        for name in ("time_s", "acc_mps2", "gyr_radps", "arrived_s", "index"):
            value = getattr(block, name)
            mine[name] = np.concatenate([mine[name], value]) if name in mine else value
    return out


def numbers(n: int) -> Any:
    """Samples that tell their own index: (n, 6)."""
    return np.stack([np.arange(n) + 100 * k for k in range(6)], axis=1).astype(np.int16)


def packet(at_s: float, payload: bytes, kind: PacketKind = PacketKind.LIVE) -> RawPacket:
    return RawPacket(SACRUM, round(at_s * NS), kind, payload)


def stream(boot: Boot, from_n: int = 0, to_n: int | None = None) -> list[RawPacket]:
    """Live packets of five samples, 20 ms after their last one."""
    to_n = len(boot.samples) if to_n is None else to_n
    return [
        packet(float(boot.true_s(head + 4)) + 0.02, live(boot, head, boot.samples[head : head + 5]))
        for head in range(from_n, to_n - 4, 5)
    ]


# ---- the streaming contract


@cache
def mixed() -> tuple[RawPacket, ...]:
    """Two sensors of drifting clocks and rates that are off: losses with backfill, reboots, thinned and mini frames live, repeated
    and damaged packets, stray frames, Info anew. All times differ."""
    found = []
    for k, placement in enumerate(BOTH):
        device = Device((-60.0, 60.0)[k], 3.0)
        boots = [
            Boot(100 + k, 1.0 + k, noise(4000, 10 + k), 52.9 - k, device, 5000),
            Boot(200 + k, 85.0 + k, noise(5000, 20 + k), 51.2, device),
        ]
        bench = Bench(
            placement,
            boots,
            52.0,
            seed=k,
            lost=[(30.0, 40.0), (120.0, 121.0)],
            duplicates=0.05,
            corrupted=0.02,
            sync_s=9.0,
        )
        packets = bench.made()
        short = Boot(250, 184.5, noise(150, 40 + k), 51.2, device)  # over before its rate can be told in full
        for head in range(0, 150, 5):
            at_ns = round((float(short.true_s(head + 4)) + 0.02) * NS)
            packets.append(
                RawPacket(placement, at_ns, PacketKind.LIVE, live(short, head, short.samples[head : head + 5]))
            )
        boot, third = boots[1], Boot(300, 190.0, noise(2000, 30 + k), 51.2, device)
        packets.append(
            RawPacket(placement, 50 * NS, PacketKind.LIVE, live(replace(boot, number=9), 35, boot.samples[:5]))
        )
        packets.append(RawPacket(placement, 184 * NS, PacketKind.INFO, INFO))
        for head in range(0, 456, 76):  # 13 Hz live, then the narrow link
            at_ns = round(float(third.true_s(head + 80)) * NS)
            packets.append(RawPacket(placement, at_ns, PacketKind.LIVE, thinned(third, head, FrameType.LIVE)))
        packets.append(RawPacket(placement, 200 * NS, PacketKind.STATUS, status(third, 520)))
        for head in range(520, 1600, 4):
            at_ns = round(float(third.true_s(head + 3)) * NS) + 20_000_000
            packets.append(RawPacket(placement, at_ns, PacketKind.LIVE, mini(third, head)))
        found.append(packets)
    ordered = in_order(*found)
    return tuple(replace(p, host_time_ns=p.host_time_ns + k) for k, p in enumerate(ordered))


def mixed_case() -> Case:
    packets = mixed()

    def piece(a: int, b: int) -> tuple[list[RawPacket], int]:
        return list(packets[a:b]), packets[b - 1].host_time_ns if b else 0

    def whole(outs: list[ImuBatch]) -> Any:
        until = [o.arrived_until_s for o in outs]
        for before, batch in zip(until, outs[1:], strict=False):
            assert all(block.arrived_s.min() > before for block in batch.blocks)
        fits: dict[Placement, list[ClockFit]] = {p: [f for o in outs for f in o.fits if f.placement is p] for p in BOTH}
        return joined(tuple(b for o in outs for b in o.blocks)), fits

    return Case(
        make=lambda state: SessionDecoder(BOTH, PARAMS, state),
        size=len(packets),
        piece=piece,
        push=lambda stage, p: stage.push(*p),
        flush=lambda stage: stage.flush(packets[-1].host_time_ns + NS),
        whole=whole,
    )


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_decoder_keeps_the_streaming_contract(data: st.DataObject) -> None:
    case = mixed_case()
    cuts = data.draw(cuts_of(case.size))
    check_stage(case, cuts, pickle_at=data.draw(st.integers(0, len(cuts))))


def test_packets_one_by_one_give_what_all_at_once_give() -> None:
    check_stage(mixed_case(), list(range(1, len(mixed()))))


def test_the_mixed_session_holds_what_it_should() -> None:
    """Otherwise the contract above would be kept by a decoder that gives nothing."""
    batch, decoder = decoded(list(mixed()), BOTH)
    found = joined(batch.blocks)
    for placement in BOTH:
        segments = [found[key] for key in sorted(found) if key[0] is placement]
        assert [s["index"][0] for s in segments] == [5000, 0, 0, 0]
        rates_hz = [52.9 - BOTH.index(placement), 51.2, 51.2, 12.8]
        assert [s["segment"].rate_hz for s in segments] == pytest.approx(rates_hz, rel=1e-4)
        assert [len(s["index"]) for s in segments] == pytest.approx([3400, 4900, 150, 350], rel=0.1)
        counts = decoder.counts()[placement]
        assert counts.stray == 1
        assert counts.duplicates > 50
        assert counts.rejected.by_reason["CRC"] > 5
        assert len({f.segment for f in batch.fits if f.placement is placement}) == 4


# ---- samples


def test_every_sample_comes_once_in_order_with_its_number_and_in_its_units() -> None:
    boot = Boot(7, 2.0, numbers(2000), 52.0, first_index=1_000_000)
    batch, _ = decoded([packet(1.0, INFO, PacketKind.INFO), *stream(boot)])
    (found,) = joined(batch.blocks).values()
    np.testing.assert_array_equal(found["index"], 1_000_000 + np.arange(2000))
    np.testing.assert_allclose(found["acc_mps2"], boot.samples[:, :3] / 4096.0 * G_MPS2, rtol=1e-12)
    np.testing.assert_allclose(np.degrees(found["gyr_radps"]), boot.samples[:, 3:] / 32.75, rtol=1e-6)


def test_what_comes_twice_or_from_the_ring_is_not_in_the_live_stream() -> None:
    boot = Boot(7, 2.0, noise(2000, 1), 52.0)
    plain = stream(boot)
    again = [replace(p, host_time_ns=p.host_time_ns + 1000) for p in plain[50:150]]
    ring = [
        packet(30.0 + k / 100, live(boot, h, boot.samples[h : h + 19], FrameType.BACKFILL), PacketKind.BACKFILL)
        for k, h in enumerate(range(0, 500, 19))
    ]
    info = packet(1.0, INFO, PacketKind.INFO)
    expected, _ = decoded([info, *plain])
    got, decoder = decoded(in_order([info], plain, again, ring))
    assert_same(joined(expected.blocks), joined(got.blocks))
    assert decoder.counts()[SACRUM].duplicates == 100


def assert_same(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for key in a:
        for name in ("acc_mps2", "gyr_radps", "index", "time_s"):
            np.testing.assert_array_equal(a[key][name], b[key][name])


def test_before_info_nothing_is_used_and_the_frames_are_counted() -> None:
    boot = Boot(7, 2.0, noise(2000, 1), 52.0)
    packets = stream(boot)
    batch, decoder = decoded([*packets[:100], packet(12.0, INFO, PacketKind.INFO), *packets[120:]])
    (found,) = joined(batch.blocks).values()
    assert found["index"][0] == 600
    assert decoder.counts()[SACRUM].rejected.by_reason == {"CONFIG": 100}


def test_another_scale_in_info_starts_a_segment() -> None:
    boot = Boot(7, 2.0, noise(3000, 1), 52.0)
    packets = stream(boot)
    wide = encode_info(info_of(52.0, acc=2048.0))
    batch, _ = decoded(in_order([packet(1.0, INFO, PacketKind.INFO)], packets, [packet(30.0, wide, PacketKind.INFO)]))
    first, second = joined(batch.blocks).values()
    assert np.median(first["acc_mps2"][:, 2]) == pytest.approx(G_MPS2, rel=0.01)
    assert np.median(second["acc_mps2"][:, 2]) == pytest.approx(2 * G_MPS2, rel=0.01)


# ---- rates


@pytest.mark.parametrize("true_hz", [49.5, 52.0, 54.3])
def test_the_rate_is_that_of_the_sensors_own_clock_whatever_is_declared(true_hz: float) -> None:
    boot = Boot(7, 2.0, noise(3000, 1), true_hz, Device(80.0))
    batch, _ = decoded([packet(1.0, INFO, PacketKind.INFO), *stream(boot)])
    (found,) = joined(batch.blocks).values()
    assert found["segment"].rate_hz == pytest.approx(true_hz, rel=2e-5)


def test_a_rate_is_told_to_100_ppm_by_dates_that_jitter_by_a_millisecond() -> None:
    rng = np.random.default_rng(3)
    off = []
    for seed in range(40):
        boot = Boot(7, 2.0, noise(400, seed), 52.3)
        packets = [packet(1.0, INFO, PacketKind.INFO)]
        for head in range(0, 400, 5):
            dated = replace(boot, device=Device(0.0, 10.0 + rng.normal(0.0, 0.001)))
            packets.append(packet(float(boot.true_s(head + 4)), live(dated, head, boot.samples[head : head + 5])))
        (found,) = joined(decoded(packets)[0].blocks).values()
        off.append(found["segment"].rate_hz / 52.3 - 1.0)
    assert 50e-6 < np.std(off) < 150e-6


def test_samples_wait_for_their_rate_and_arrive_together_then() -> None:
    boot = Boot(7, 2.0, noise(2000, 1), 52.0)
    decoder = SessionDecoder((SACRUM,), PARAMS)
    decoder.push([packet(1.0, INFO, PacketKind.INFO)], NS)
    for one in stream(boot):
        batch = decoder.push([one], one.host_time_ns)
        if batch.blocks:
            (block,) = batch.blocks
            assert block.time_s[-1] - block.time_s[0] >= PARAMS.rate_span_s
            assert set(block.arrived_s) == {one.host_time_ns / NS}
            assert len(batch.fits) == 1
            return
    pytest.fail("nothing came")


def test_a_clock_that_stands_still_does_not_hold_the_samples_back_for_ever() -> None:
    boot = Boot(7, 2.0, noise(2000, 1), 52.0)
    stuck = [
        packet(float(boot.true_s(h + 4)), live(replace(boot, rate_hz=1e9), h, boot.samples[h : h + 5]))
        for h in range(0, 2000, 5)
    ]
    batch, _ = decoded([packet(1.0, INFO, PacketKind.INFO), *stuck])
    (found,) = joined(batch.blocks).values()
    assert found["segment"].rate_hz == 52.0
    assert len(found["index"]) == 2000


# ---- segments


def test_a_reboot_starts_a_segment_and_a_lost_link_does_not() -> None:
    first, second = Boot(7, 2.0, noise(5000, 1), 52.0, first_index=900), Boot(8, 110.0, noise(1000, 2), 52.0)
    packets = [packet(1.0, INFO, PacketKind.INFO), *stream(first, 0, 1000), *stream(first, 3000), *stream(second)]
    batch, _ = decoded(packets)
    found = joined(batch.blocks)
    assert list(found) == [(SACRUM, 0), (SACRUM, 1)]
    np.testing.assert_array_equal(
        found[SACRUM, 0]["index"], 900 + np.concatenate([np.arange(1000), np.arange(3000, 5000)])
    )
    np.testing.assert_array_equal(found[SACRUM, 1]["index"], np.arange(1000))


@pytest.mark.parametrize("wrong", [{"number": 99}, {"first_index": 4_000_000_000}, {"first_index": 500_000}])
def test_a_stray_frame_whose_check_sum_fits_costs_nothing_but_itself(wrong: dict[str, int]) -> None:
    boot = Boot(7, 2.0, noise(3000, 1), 52.0)
    packets = [packet(1.0, INFO, PacketKind.INFO), *stream(boot)]
    stray = packet(30.0, live(replace(boot, **wrong), 10, boot.samples[:5]))  # type: ignore[arg-type]
    expected, _ = decoded(packets)
    got, decoder = decoded(in_order(packets, [stray]))
    assert_same(joined(expected.blocks), joined(got.blocks))
    assert decoder.counts()[SACRUM].stray == 1


def test_averages_live_have_their_own_rate_and_lie_in_the_middle_of_their_samples() -> None:
    boot = Boot(7, 2.0, numbers(7600), 52.0)
    full = stream(boot, 0, 2280)
    thin = [packet(float(boot.true_s(h + 75)) + 0.02, thinned(boot, h, FrameType.LIVE)) for h in range(2280, 7600, 76)]
    batch, _ = decoded([packet(1.0, INFO, PacketKind.INFO), *full, *thin])
    first, second = joined(batch.blocks).values()
    assert second["segment"].rate_hz == pytest.approx(13.0, rel=1e-4)
    np.testing.assert_array_equal(second["index"], np.arange(2280 // 4, 7600 // 4))
    assert second["time_s"][0] - first["time_s"][0] == pytest.approx((2280 + 1.5) / 52.0, abs=1e-4)


def test_mini_frames_have_their_high_bits_from_status_and_the_boot_too() -> None:
    boot = Boot(7, 2.0, noise(2000, 1), 52.0, first_index=0x5FFFE00)
    minis = [packet(float(boot.true_s(h + 3)) + 0.02, mini(boot, h)) for h in range(0, 2000, 4)]
    info = packet(1.0, INFO, PacketKind.INFO)
    batch, decoder = decoded([info, *minis])
    assert not batch.blocks
    assert decoder.counts()[SACRUM].rejected.by_reason == {"CONFIG": 500}
    told = packet(1.5, status(boot, 0x5FFFE00), PacketKind.STATUS)
    batch, _ = decoded([info, told, *minis])
    (found,) = joined(batch.blocks).values()
    np.testing.assert_array_equal(found["index"], 0x5FFFE00 // 4 + np.arange(500))
    assert found["segment"].rate_hz == 13.0


# ---- the clock


def session_error_s(batch: ImuBatch, boot: Boot, after_s: float) -> Float:
    """Where the fit in force puts each sample, less when it was taken, s; samples after `after_s`."""
    (found,) = joined(batch.blocks).values()
    true_s = boot.true_s(found["index"] - boot.first_index)
    fits = [f for f in batch.fits if f.segment == found["segment"].number]
    which = np.searchsorted([f.from_tick for f in fits], true_s * 50, side="right") - 1
    at_s = np.array([fits[k].session_s(s) for k, s in zip(which, found["time_s"], strict=True)])
    return (at_s - true_s)[true_s > after_s]


@pytest.mark.parametrize("ppm", [-80.0, 80.0])
def test_samples_of_a_drifting_sensor_of_a_wrong_rate_are_placed_within_20_ms_after_15_min(ppm: float) -> None:
    boot = Boot(7, 2.0, noise(52 * 2400, 1), 53.1, Device(ppm, 40.0))
    packets = Bench(SACRUM, [boot], 52.0, seed=4, sync_s=1e9).made()
    error = session_error_s(decoded(packets)[0], boot, 900.0)
    assert np.abs(error).max() < 0.020
    asked = Bench(SACRUM, [boot], 52.0, seed=4).made()
    assert np.abs(session_error_s(decoded(asked)[0], boot, 900.0)).max() < 0.5 * np.abs(error).max()


def test_an_exchange_of_times_after_a_reboot_is_not_used_for_the_old_boot() -> None:
    boot = Boot(7, 2.0, noise(2000, 1), 52.0, Device(0.0, 5000.0))
    new = Boot(8, 30.0, noise(2000, 1), 52.0)
    packets = [
        packet(1.0, INFO, PacketKind.INFO),
        *stream(boot, 0, 1400),
        packet(31.0, sync(new, 30.5), PacketKind.SYNC),
    ]
    assert decoded(packets)[1].counts()[SACRUM].unplaced == 1


def test_ticks_may_wrap_in_a_segment() -> None:
    boot = Boot(7, 2.0, noise(6000, 1), 52.0, Device(0.0, (1 << 32) / TICK_HZ - 60.0))
    packets = Bench(SACRUM, [boot], 52.0, seed=4).made()
    batch, decoder = decoded(packets)
    assert list(joined(batch.blocks)) == [(SACRUM, 0)]
    assert decoder.counts()[SACRUM].unplaced == 0
    assert np.abs(session_error_s(batch, boot, 20.0)).max() < 0.04


# ---- any bytes


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_bytes_of_any_kind_break_the_decoder(data: st.DataObject) -> None:
    good = [p for p in mixed()[:400] if p.placement is SACRUM]
    at = data.draw(st.lists(st.integers(0, len(good) - 1), max_size=6))
    kinds = st.sampled_from(list(PacketKind))
    made = []
    for k in at:
        payload = data.draw(st.binary(max_size=300) | st.just(good[k].payload))
        made.append(RawPacket(SACRUM, good[k].host_time_ns, data.draw(kinds), payload))
    batch, decoder = decoded(in_order(good, made))
    for block in batch.blocks:
        assert np.isfinite(block.acc_mps2).all()
        assert np.isfinite(block.time_s).all()
        index: Int = block.index if block.index is not None else np.empty(0, np.int64)
        assert (np.diff(index) > 0).all()
        assert (np.diff(block.arrived_s) >= 0).all()
    decoder.flush(good[-1].host_time_ns + NS)
