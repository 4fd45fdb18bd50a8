"""The ring of the C core, through cffi: a sample is held, thinned (and says so) or lost (and counted), never twice, never wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sensor_bench import Bench, Sensor, averages_at, library, samples_at

from firmware_protocol.control import (
    Backfill,
    Done,
    ListBoots,
    ListBootsReply,
    RangeReply,
    Reboot,
    Start,
    Status,
    Stop,
    encode_request,
)
from firmware_protocol.core import interface
from firmware_protocol.frames import TICK_HZ, Frame, FrameFlag

THINNED = {2, 4}
"""Configurations of averages in firmware_protocol/vectors.py; the others are full rate."""
SLOTS, ROWS = 16, 19
SETTLED_N, UNDERWAY_N = 30 * 52, 2 * SLOTS * ROWS
"""Samples until a host that asks for nothing has what it wants, and those that may still be under way to it."""


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return library(tmp_path_factory)


@dataclass(frozen=True)
class Held:
    """A frame found in the ring."""

    index: int
    step: int
    ticks: int
    flags: int
    samples: np.ndarray

    @property
    def end(self) -> int:
        return self.index + self.step * len(self.samples)

    @property
    def covered(self) -> range:
        return range(self.index, self.end)


def held(sensor: Sensor, boot: int) -> Iterator[Held]:
    """All that the ring has of a boot, in its order."""
    slot = interface().new("lps_slot *")
    index = 0
    ring = interface().addressof(sensor.core.core, "ring")
    while sensor.lib.lps_ring_find(ring, boot, index, slot):
        frame = slot.frame
        rows = np.array([list(frame.samples[k]) for k in range(frame.n)], np.int16)
        found = Held(frame.index, 4 if frame.config in THINNED else 1, frame.ticks, frame.flags, rows)
        yield found
        index = found.end


def boots(sensor: Sensor) -> list[int]:
    ring, boot = interface().addressof(sensor.core.core, "ring"), interface().new("uint16_t *")
    count = sensor.lib.lps_ring_boots(ring, 255, boot)
    found = []
    for skip in range(count):
        sensor.lib.lps_ring_boots(ring, skip, boot)
        found.append(boot[0])
    return found


class RingLaws(RuleBasedStateMachine):
    """Losses, requests, reboots, power failures and thinning in any order, against what was put in."""

    lib: Any

    @initialize(blocks=st.integers(8, 11))
    def begin(self, blocks: int) -> None:
        self.sensor = Sensor(self.lib, Bench(blocks=blocks))
        self.recorded: dict[int, set[int]] = {self.sensor.boot: set()}
        self.known_at_mount = 0

    def total_held(self) -> int:
        return sum(len(h.covered) for boot in boots(self.sensor) for h in held(self.sensor, boot))

    @rule(count=st.integers(1, 700))
    def samples_come(self, count: int) -> None:
        before = self.sensor.index
        self.sensor.run(count)
        self.recorded[self.sensor.boot] |= set(range(before, before + count))

    @rule(count=st.integers(1, 90))
    def samples_are_lost_before_the_core(self, count: int) -> None:
        self.sensor.lose(count)

    @rule(config=st.sampled_from([1, 2, 3, 4]))
    def the_host_starts_a_configuration(self, config: int) -> None:
        self.sensor.connect()
        assert self.sensor.ask(Start(config)).status is Status.OK
        self.sensor.core.disconnected()

    @rule(count=st.integers(1, 50), config=st.sampled_from([1, 2]), taken=st.booleans())
    def a_host_streams(self, count: int, config: int, taken: bool) -> None:
        """What it takes at the full rate for long enough is delivered; averages, or frames that the link refuses, are not."""
        sensor = self.sensor
        sensor.connect()
        assert sensor.ask(Start(config)).status is Status.OK
        averages, owed_seq = self.averages_held(), sensor.core.core.ring.owed_seq
        sensor.bench.room = 1 << 30 if taken else 0
        delivered_from = sensor.index + SETTLED_N + UNDERWAY_N
        for _ in range(count):  # the clock of the bench stands still in between
            self.samples_come(100)
        sensor.bench.room = 1 << 30
        sensor.core.disconnected()
        if config == 1 and taken:
            delivered = self.averages_held() - averages
            assert not any(boot == sensor.boot and index >= delivered_from for boot, index in delivered)
        else:
            assert sensor.core.core.ring.owed_seq == owed_seq, "nothing more was delivered"

    def averages_held(self) -> set[tuple[int, int]]:
        sensor = self.sensor
        return {(boot, h.index) for boot in boots(sensor) for h in held(sensor, boot) if h.step == 4}

    def mounted(self) -> None:
        """After a boot: what is there now is where counting begins."""
        assert self.sensor.boot not in self.recorded, "a boot number that the ring holds is not drawn again"
        self.recorded[self.sensor.boot] = set()
        self.known_at_mount = self.total_held() + self.sensor.status().dropped

    @rule(asked=st.booleans())
    def it_reboots(self, asked: bool) -> None:
        """Asked for, the open frame is kept; a crash loses it."""
        before, dropped = self.total_held(), self.sensor.status().dropped
        unsaved = 0 if asked else self.sensor.core.core.ring.open.frame.n
        if asked:
            self.sensor.connect()
            assert self.sensor.ask(Reboot()).status is Status.OK
            assert self.sensor.bench.calls[-1] == "reboot"
        counted = self.sensor.status().dropped - dropped  # writing the open frame may make room
        self.sensor.boot_up()
        assert self.total_held() + self.sensor.status().dropped == before - counted - unsaved
        self.mounted()

    @rule(left=st.integers(0, 90), count=st.integers(1, 1500))
    def the_power_fails_inside_a_store_call(self, left: int, count: int) -> None:
        held_before = self.total_held()
        dropped_before = self.sensor.status().dropped
        index = self.sensor.index
        self.sensor.bench.store_left = left
        came = 0
        while self.sensor.bench.store_left > 0 and came < count:
            self.sensor.run(19)
            came += 19
        self.recorded[self.sensor.boot] |= set(range(index, index + came))
        lost = self.sensor.status().dropped - dropped_before
        self.sensor.bench.store_left = 1 << 60
        self.sensor.boot_up()
        missing = held_before + came - self.total_held() - self.sensor.status().dropped
        note(f"missing {missing}, counted {lost}")
        assert missing <= lost + 3 * ROWS, (
            "no frame written whole is lost, beyond what was counted and the frames in the making"
        )
        self.mounted()

    @rule(start=st.integers(0, 4000), length=st.integers(1, 3000), mtu=st.sampled_from([31, 185, 247]), data=st.data())
    def the_host_asks_for_a_range(self, start: int, length: int, mtu: int, data: st.DataObject) -> None:
        sensor, bench = self.sensor, self.sensor.bench
        boot = data.draw(st.sampled_from(sorted(self.recorded)))
        there = {i for h in held(sensor, boot) for i in h.covered}
        sensor.connect(mtu)
        bench.backfill.clear()
        bench.indications.clear()
        reply = sensor.ask(Backfill(boot, start, start + length))
        if reply.status is Status.NOT_STORED:
            assert isinstance(reply.args, RangeReply)
            assert there.isdisjoint(range(start, start + length))
            sensor.core.disconnected()
            return
        assert reply.status is Status.OK
        busy = data.draw(st.booleans())  # samples go on, so thinning and overwriting come in between
        while not isinstance(bench.indications[-1], Done):
            bench.room = data.draw(st.integers(1, 9)) if busy else 40
            if busy:
                self.samples_come(200)
            sensor.core.poll()
            bench.room = 1 << 30
            sensor.settle() if not busy else sensor.core.confirmed()
        sensor.settle()
        (done,) = [i for i in bench.indications if isinstance(i, Done)]
        sensor.core.disconnected()
        assert (done.boot, done.from_index, done.to_index) == (boot, start, start + length)
        assert done.sent + done.missing == length
        assert isinstance(reply.args, RangeReply)
        # What was thinned meanwhile may reach past what was held when it was asked for: its last row comes whole.
        until = min(start + length, reply.args.to_index)
        sent = [i for f in bench.backfill for i in self.covered_by(f) if start <= i < until]
        assert len(sent) == len(set(sent)) or busy  # an average may follow full-rate samples of its own group
        assert len(set(sent)) == done.sent
        if not busy:
            assert set(sent) == there & set(range(start, start + length))
        for frame in bench.backfill:
            assert frame.boot == boot
            assert len(frame.samples) * 12 + 16 <= mtu - 3
            self.values_are_right(frame.boot, frame.index, 4 if frame.config in THINNED else 1, frame.samples)

    @staticmethod
    def covered_by(frame: Frame) -> range:
        step = 4 if frame.config in THINNED else 1
        return range(frame.index, frame.index + step * len(frame.samples))

    @staticmethod
    def values_are_right(boot: int, index: int, step: int, rows: np.ndarray) -> None:
        at = index + step * np.arange(len(rows))
        truth = samples_at(at, boot) if step == 1 else averages_at(at, boot)
        np.testing.assert_array_equal(rows, truth)

    @invariant()
    def every_sample_is_held_once_and_right_or_counted(self) -> None:
        if not hasattr(self, "sensor"):
            return
        total = 0
        for boot in boots(self.sensor):
            newest = -1
            for h in held(self.sensor, boot):
                assert h.index > newest, "never twice, and in order"
                newest = h.end - 1
                assert h.index % h.step == 0, "averages are of the groups that begin at multiples of four"
                assert self.recorded[boot].issuperset(h.covered), "nothing that was not recorded"
                self.values_are_right(boot, h.index, h.step, h.samples)
                if h.step == 1 and h.index > 0:
                    gap = h.index - 1 not in self.recorded[boot]
                    assert gap == bool(h.flags & FrameFlag.GAP_BEFORE)
                total += len(h.covered)
        status = self.sensor.status()
        assert total + status.dropped == self.known_at_mount + self.sensor.index, "held or counted"

    @invariant()
    def the_status_tells_the_range_of_this_boot(self) -> None:
        if not hasattr(self, "sensor"):
            return
        mine = list(held(self.sensor, self.sensor.boot))
        status = self.sensor.status()
        expected = (mine[0].index, mine[-1].end) if mine else (0, 0)
        assert (status.oldest_index, status.end_index) == expected


def test_a_sample_is_held_thinned_or_counted_whatever_happens(lib: Any) -> None:
    RingLaws.lib = lib
    run_state_machine_as_test(
        RingLaws,
        settings=settings(max_examples=50, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
    )


HOUR_N, CAPACITY_64 = 3600 * 52, (64 - 2) * SLOTS * ROWS


def streaming(lib: Any, blocks: int, config: int = 1) -> Sensor:
    """Recording, and streaming to a client that takes all."""
    sensor = Sensor(lib, Bench(blocks=blocks))
    sensor.connect()
    assert sensor.ask(Start(config)).status is Status.OK
    return sensor


def blocks_of(sensor: Sensor) -> tuple[int, int]:
    ring = sensor.core.core.ring
    return ring.thinned.count, ring.full.count


def test_the_full_rate_is_kept_until_the_ring_is_full_and_then_the_oldest_is_thinned(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=16))
    capacity = (16 - 2) * SLOTS * ROWS
    sensor.run(capacity)
    assert blocks_of(sensor) == (0, 14)
    assert all(h.step == 1 for h in held(sensor, sensor.boot))
    sensor.run(SLOTS * ROWS * 2)
    steps = [(h.index, h.step) for h in held(sensor, sensor.boot)]
    first_full = next(index for index, step in steps if step == 1)
    assert first_full == 4 * SLOTS * ROWS
    assert all(step == 4 for index, step in steps if index < first_full)
    assert sensor.status().dropped == 0, "an unbroken run is thinned without losing a sample"


def test_a_ring_that_is_thinned_throughout_holds_almost_four_times_as_long(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=64))
    sensor.run(300 * SLOTS * ROWS)
    covered = sum(len(h.covered) for h in held(sensor, sensor.boot))
    assert covered / ((64 - 2) * SLOTS * ROWS) > 3.7
    assert covered + sensor.status().dropped == sensor.index


@pytest.mark.parametrize("connected_h", [0.2, 1.5])
def test_after_hours_connected_a_loss_of_up_to_0_8_h_is_all_at_the_full_rate(lib: Any, connected_h: float) -> None:
    """2 MB of flash. What the client took live makes room for what it misses, whole blocks at a time and not as averages."""
    sensor = streaming(lib, blocks=512)
    sensor.run(round(connected_h * HOUR_N))
    sensor.core.disconnected()
    lost_from = sensor.index
    sensor.run(round(0.8 * HOUR_N))
    missed = [h for h in held(sensor, sensor.boot) if h.end > lost_from]
    assert missed[0].index <= lost_from
    assert {h.step for h in missed} == {1}
    assert sum(len(h.covered) for h in missed) >= sensor.index - lost_from


def test_what_was_recorded_away_is_thinned_and_not_overwritten_until_the_host_has_fetched_it(lib: Any) -> None:
    """The ring is full of a loss when the client comes back, and the link carries it at half the live rate: nothing is lost."""
    sensor = streaming(lib, blocks=64)
    bench = sensor.bench
    sensor.run(2 * CAPACITY_64)
    sensor.core.disconnected()
    lost_from, lost_to = sensor.index, sensor.index + round(0.95 * CAPACITY_64)
    sensor.run(lost_to - lost_from)
    sensor.connect()
    assert sensor.ask(Start(1)).status is Status.OK
    sensor.run(SETTLED_N // 2)  # the host finds out what it misses
    bench.room = 1
    assert sensor.write(encode_request(Backfill(sensor.boot, lost_from, lost_to), sensor.next_tag())) == 0
    bench.room = 0
    sensor.core.confirmed()
    for _ in range(2 * CAPACITY_64 // (2 * ROWS)):
        bench.room = 1 << 30
        sensor.run(2 * ROWS)
        bench.room = 1
        sensor.core.poll()
    bench.room = 1 << 30
    sensor.settle()
    (done,) = [i for i in bench.indications if isinstance(i, Done)]
    assert done.missing == 0
    assert THINNED & {f.config for f in bench.backfill}, "it was a near thing"
    sensor.run(CAPACITY_64 + SETTLED_N)
    assert blocks_of(sensor)[0] == 0, "what has been fetched is overwritten, its averages too"


@pytest.mark.parametrize("why", ["averages", "refused", "stopped", "fetching"])
def test_what_the_host_did_not_take_at_the_full_rate_is_thinned_before_it_is_overwritten(lib: Any, why: str) -> None:
    sensor = streaming(lib, blocks=16, config=2 if why == "averages" else 1)
    if why == "stopped":
        assert sensor.ask(Stop()).status is Status.OK
    if why == "fetching":
        sensor.run(SLOTS * ROWS)
        sensor.bench.room = 1
        assert sensor.write(encode_request(Backfill(sensor.boot, 0, SLOTS * ROWS), sensor.next_tag())) == 0
    sensor.bench.room = 0 if why == "refused" else sensor.bench.room
    for _ in range(2 * 14):
        sensor.run(SLOTS * ROWS)
    assert blocks_of(sensor)[0] > 0
    assert sensor.status().dropped == 0


def test_thinned_rows_are_dated_by_measured_ticks_even_when_the_part_runs_fast(lib: Any) -> None:
    """The clock of a part may be off by per cents: rows inside a frame are dated from what was measured."""
    sensor = Sensor(lib, Bench(blocks=16))
    sensor.period = TICK_HZ / 52 * 1.03
    sensor.lose(7)  # so that frames begin inside of groups
    sensor.run(30 * SLOTS * ROWS)
    thinned = [h for h in held(sensor, sensor.boot) if h.step == 4]
    assert len(thinned) > 40
    for h in thinned:
        assert abs(h.ticks - (h.index - 7 + 1) * sensor.period) <= 2
    assert sensor.status().dropped == 7 + 1, (
        "the lost ones, and what they left of their group: no group is cut later on"
    )


def test_a_frame_cut_for_a_narrow_link_is_dated_by_measured_ticks(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=8))
    sensor.period = TICK_HZ / 52 * 0.97
    sensor.run(400)
    sensor.connect(mtu=23 + 8 + 12)
    sensor.ask(Backfill(sensor.boot, 30, 200))
    for _ in range(40):
        sensor.settle()
    frames = sensor.bench.backfill
    assert [len(f.samples) for f in frames][:3] == [2, 2, 2]
    assert frames[0].index == 30
    for f in frames:
        assert abs(f.ticks - (f.index + 1) * sensor.period) <= 1


def test_the_boots_in_the_ring_can_be_listed_and_fetched_after_reboots(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=12))
    seen = []
    for _ in range(3):
        sensor.run(500)
        seen.append(sensor.boot)
        sensor.boot_up()
    sensor.connect()
    for skip, boot in enumerate(seen):
        reply = sensor.ask(ListBoots(skip))
        assert reply.args == ListBootsReply(3, boot, 0, 494)  # 494 is whole frames; the open one went with the power
    assert sensor.ask(ListBoots(3)).status is Status.BAD_ARG
    assert sensor.ask(Backfill(seen[1], 100, 200)).status is Status.OK
    sensor.settle()
    assert {f.boot for f in sensor.bench.backfill} == {seen[1]}


def test_a_boot_number_that_the_ring_holds_is_not_drawn_again(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=12))
    first = sensor.boot
    sensor.run(100)
    sensor.bench.seed = first - 1
    sensor.boot_up()
    assert sensor.boot == first + 1


@pytest.mark.parametrize("fill", [0x00, 0xA5])
def test_a_store_that_holds_something_else_is_erased_and_used(lib: Any, fill: int) -> None:
    bench = Bench(blocks=8)
    bench.memory[:] = bytes([fill]) * len(bench.memory)
    sensor = Sensor(lib, bench)
    sensor.run(1000)
    assert sum(len(h.covered) for h in held(sensor, sensor.boot)) == 1000


def test_a_bit_that_turns_in_the_store_costs_its_frame_and_nothing_else(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=8))
    sensor.run(10 * ROWS)
    sensor.bench.memory[3 * 256 + 40] ^= 4
    found = {i for h in held(sensor, sensor.boot) for i in h.covered}
    assert found == set(range(10 * ROWS)) - set(range(3 * ROWS, 4 * ROWS))


def covered_once_and_right(sensor: Sensor, boot: int) -> set[int]:
    """What is held of a boot, after checking it against what was put in."""
    seen: set[int] = set()
    for h in held(sensor, boot):
        assert seen.isdisjoint(h.covered), "never twice"
        seen |= set(h.covered)
        RingLaws.values_are_right(boot, h.index, h.step, h.samples)
    return seen


def filled(lib: Any, blocks_n: int) -> Sensor:
    """A sensor with so many blocks recorded that the next one makes room; all but the last frame of the newest is there."""
    sensor = Sensor(lib, Bench(blocks=8))
    sensor.run(blocks_n * SLOTS * ROWS)
    while sensor.core.core.ring.free.count > 1:
        sensor.run(SLOTS * ROWS)
    return sensor


@pytest.mark.parametrize(("blocks_n", "calls_n"), [(6, 23), (28, 40)])
def test_the_power_may_fail_at_every_store_call_while_room_is_made(lib: Any, blocks_n: int, calls_n: int) -> None:
    """Each call of the next blocks is cut in the middle once: what was held is still there, or its loss had been counted."""
    for left in range(2 * calls_n):
        sensor = filled(lib, blocks_n)
        boot = sensor.boot
        there = covered_once_and_right(sensor, boot)
        dropped, erases_n = sensor.status().dropped, sensor.bench.erases_n
        sensor.bench.store_left = left
        sensor.run(2 * SLOTS * ROWS)
        counted = sensor.status().dropped - dropped
        sensor.bench.store_left = 1 << 60
        sensor.boot_up()
        assert len(there - covered_once_and_right(sensor, boot)) <= counted, f"cut at call {left}"
        if left == calls_n:
            assert sensor.bench.erases_n - erases_n >= 4, "the cuts went through a whole thinning"


def test_a_range_that_begins_inside_an_average_gets_it_whole_and_counts_what_was_asked(lib: Any) -> None:
    sensor = Sensor(lib, Bench(blocks=8))
    sensor.run(9 * SLOTS * ROWS)
    oldest = sensor.status().oldest_index
    sensor.connect()
    sensor.ask(Backfill(sensor.boot, oldest + 101, oldest + 203))
    sensor.settle()
    (done,) = [i for i in sensor.bench.indications if isinstance(i, Done)]
    assert (done.sent, done.missing) == (102, 0)
    frames = sensor.bench.backfill
    assert {f.config for f in frames} == {2}
    assert (frames[0].index, frames[-1].index + 4 * len(frames[-1].samples)) == (oldest + 100, oldest + 204)
