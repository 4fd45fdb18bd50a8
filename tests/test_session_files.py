"""The folder of a session: what is written, what survives a cut at any byte, a kill, a full disk, and compaction."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import BOTH, Bench, Boot, in_order, meta, noise, recorded

from posture.config import ClockConfig
from posture.recording.session import (
    RecordKind,
    SessionDecoder,
    SessionWriter,
    compact,
    compaction,
    is_session,
    raised_alerts,
    read_meta,
    recover,
)
from posture.recording.session import writer as writer_module
from posture.recording.session.meta import RECORDS, whole_records
from posture.recording.session.packets import KINDS, PacketBlock, record_batch
from posture.recording.session.reader import Session
from posture.recording.session.stream import Tail, packet_blocks
from posture.types import InputError, PacketKind, Placement, PostureError, RawPacket

SACRUM, UPPER = BOTH


@cache
def packets() -> tuple[RawPacket, ...]:
    found = [
        Bench(p, [Boot(3 + k, 1.0, noise(1000, k), 52.0)], 52.0, seed=k, lost=[(6.0, 9.0)]).made()
        for k, p in enumerate(BOTH)
    ]
    return tuple(in_order(*found))


def read(folder: Path, placement: Placement) -> list[RawPacket]:
    whole = PacketBlock.joined(packet_blocks(folder, placement))
    return [
        RawPacket(placement, int(at), KINDS[kind], whole.payload(k))
        for k, (at, kind) in enumerate(zip(whole.host_time_ns, whole.kind, strict=True))
    ]


def sent(placement: Placement) -> list[RawPacket]:
    return [p for p in packets() if p.placement is placement]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("sessions") / "s1", packets(), meta())


def test_what_was_put_comes_back_byte_for_byte_before_and_after_compaction(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    for compacted in (False, True):
        if compacted:
            compact(copy)
        for placement in BOTH:
            assert read(copy, placement) == sent(placement)
    assert sorted(p.name for p in copy.iterdir()) == [
        "records.jsonl",
        "sacrum.parquet",
        "session.json",
        "upper_lumbar.parquet",
    ]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_the_owner_may_read_a_session(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    recorded(copy, packets()[:100], meta())
    compact(copy)
    for made in (folder, copy):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        assert {stat.S_IMODE(p.stat().st_mode) for p in made.iterdir()} == {0o600}


def test_any_arrow_reader_opens_a_stream_and_finds_out_what_it_holds(folder: Path) -> None:
    import pyarrow as pa

    with pa.memory_map(str(folder / "sacrum.arrows")) as file:
        table = pa.ipc.open_stream(file).read_all()
    assert table.schema.metadata[b"placement"] == b"sacrum"
    assert table.schema.metadata[b"kinds"].startswith(b"0=live,1=backfill")
    assert table.num_rows == len(sent(SACRUM))
    assert table["payload"][5].as_py() == sent(SACRUM)[5].payload


def test_the_start_of_a_session_reads_back(folder: Path) -> None:
    assert read_meta(folder) == meta()
    assert is_session(folder)
    assert not is_session(folder.parent)


def test_a_folder_that_holds_anything_is_not_recorded_into(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("mine")
    for taken in (tmp_path, folder):
        before = {p.name: p.read_bytes() for p in taken.iterdir()}
        with pytest.raises(InputError, match="never overwritten"):
            SessionWriter.create(taken, meta())
        assert {p.name: p.read_bytes() for p in taken.iterdir()} == before


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"nothing can be recorded in .*choose another folder"):
        SessionWriter.create(tmp_path / "file" / "session", meta())


# ---- cut off


def batches_of(path: Path) -> tuple[list[int], list[int]]:
    """Ends of the schema and of every record batch of a stream, bytes, and the packets up to there."""
    import pyarrow as pa

    ends, packets_n = [], [0]
    with pa.memory_map(str(path)) as file:
        kinds = pa.ipc.read_schema(pa.ipc.read_message(file))
        ends.append(file.tell())
        while path.stat().st_size - ends[-1] > 8:
            packets_n.append(packets_n[-1] + pa.ipc.read_record_batch(pa.ipc.read_message(file), kinds).num_rows)
            ends.append(file.tell())
    return ends, packets_n


def test_a_stream_cut_at_any_byte_of_its_last_batches_gives_back_every_whole_one(tmp_path: Path) -> None:
    path = recorded(tmp_path / "s", sent(SACRUM)[:40], meta([SACRUM]), every=4) / "sacrum.arrows"
    whole, (ends, packets_n) = path.read_bytes(), batches_of(path)
    assert packets_n[-1] == 40
    for cut in range(ends[-4], len(whole) + 1):
        path.write_bytes(whole[:cut])
        tail = Tail()
        found = [len(b) for b in packet_blocks(path.parent, SACRUM, tail)]
        kept = sum(end <= cut for end in ends) - 1
        assert sum(found) == packets_n[kept]
        assert (tail.whole_b, tail.torn_b) == (ends[kept], 0 if cut == len(whole) else cut - ends[kept])
        assert tail.clean == (cut == len(whole))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_recovery_keeps_what_is_whole_puts_the_rest_aside_and_can_be_repeated(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("cut") / "s")
    path = copy / "sacrum.arrows"
    whole, (ends, packets_n) = path.read_bytes(), batches_of(path)
    cut = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.sampled_from([b"", b"\0" * 700, b"\xff" * 16, b"\xff\xff\xff\xff\x10\0\0\0junk"]))
    lines = (copy / RECORDS).read_bytes()
    line_cut = data.draw(st.integers(0, len(lines)))
    path.write_bytes(whole[:cut] + junk)
    (copy / RECORDS).write_bytes(lines[:line_cut])
    found = recover(copy)
    kept_n, filled_n = (
        ([0] + [n for n, end in zip(packets_n, ends, strict=True) if end <= at])[-1] for at in (cut, cut + len(junk))
    )
    # A batch whose end was filled with anything of its length looks whole; what its frames lack their check sums tell.
    assert kept_n <= found.packets[SACRUM] <= filled_n
    assert read(copy, SACRUM)[:kept_n] == sent(SACRUM)[:kept_n]
    assert read(copy, UPPER) == sent(UPPER)
    assert found.clean == (line_cut == len(lines))
    again = recover(copy)
    assert again.packets == found.packets
    assert not any(again.torn_b.values())
    compact(copy)
    assert read(copy, SACRUM)[:kept_n] == sent(SACRUM)[:kept_n]
    records = whole_records((copy / RECORDS).read_bytes())[0]
    assert [r["kind"] for r in records] == [RecordKind.END if found.clean else RecordKind.RECOVERED]


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7), more=st.integers(0, 1 << 20))
def test_a_bit_that_has_turned_over_hands_on_nothing_that_breaks_a_reader(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, more: int
) -> None:
    copy = tmp_path_factory.mktemp("bits")
    (copy / "session.json").write_bytes((folder / "session.json").read_bytes())
    whole = bytearray((folder / "sacrum.arrows").read_bytes())
    for k in (at, more):
        whole[k % len(whole)] ^= 1 << bit
    (copy / "sacrum.arrows").write_bytes(whole)
    try:
        blocks = list(packet_blocks(copy, SACRUM))
    except InputError:
        return
    last_ns = 0
    for block in blocks:
        assert 0 <= block.offsets[0] <= block.offsets[-1] <= len(block.data)
        assert (np.diff(block.offsets) >= 0).all()
        assert block.host_time_ns[0] >= last_ns
        assert (np.diff(block.host_time_ns) >= 0).all()
        last_ns = int(block.host_time_ns[-1])
    decoder = SessionDecoder((SACRUM,), ClockConfig())
    for block in blocks:
        decoder.push_blocks({SACRUM: block}, int(block.host_time_ns[-1]))


def test_what_was_torn_is_kept_beside_the_stream(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "s")
    path = copy / "sacrum.arrows"
    whole, (ends, _) = path.read_bytes(), batches_of(path)
    path.write_bytes(whole[: ends[3] + 100])
    (copy / RECORDS).write_bytes(b"")
    found = recover(copy)
    assert found.torn_b[SACRUM] == 100
    assert (copy / "sacrum.arrows.torn").read_bytes() == whole[ends[3] : ends[3] + 100]
    assert "The last 100 bytes were half written" in found.sentence()


def test_records_cut_at_any_byte_give_back_every_whole_line(tmp_path: Path) -> None:
    lines = [
        {"kind": "alert", "tick": 500, "id": 0, "alert": {"about_s": 3.0, "reason": "Ä line\nin two"}},
        {"kind": "answer", "tick": 600, "id": 0, "answer": "helped"},
        {"kind": "snooze", "tick": 700, "minutes": 30},
    ]
    with SessionWriter.create(tmp_path / "s", meta([SACRUM])) as writer:
        for line in lines:
            writer.append(line)
    text = (tmp_path / "s" / RECORDS).read_bytes()
    ends = [k + 1 for k, byte in enumerate(text) if byte == ord("\n")]
    for cut in range(len(text) + 1):
        found, whole_b = whole_records(text[:cut])
        kept = sum(end <= cut for end in ends)
        assert len(found) == kept
        assert whole_b == (ends[kept - 1] if kept else 0)
    assert raised_alerts(found) == [{"about_s": 3.0, "reason": "Ä line\nin two", "answer": "helped"}]


def test_a_record_without_a_kind_or_a_tick_is_refused(tmp_path: Path) -> None:
    with SessionWriter.create(tmp_path / "s", meta([SACRUM])) as writer:
        for wrong in ({"kind": "alert"}, {"tick": 5}, {"kind": "dance", "tick": 5}):
            with pytest.raises(ValueError, match="a record needs a known kind and the tick"):
                writer.append(wrong)


WRITERS = """
import os, sys, time
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from sessions import BOTH, meta
from posture.recording.session import SessionWriter
from posture.types import PacketKind, RawPacket

def write(folder):
    newest = os.open(folder + ".newest", os.O_WRONLY | os.O_CREAT)
    with SessionWriter.create(Path(folder), meta()) as writer:
        began_ns = time.monotonic_ns()
        os.write(1, f"{folder} {os.getpid()} {began_ns}\\n".encode())
        k, synced_ns = 0, 0
        while True:
            now_ns = time.monotonic_ns() - began_ns
            for placement in BOTH:
                writer.put(RawPacket(placement, now_ns, PacketKind.LIVE, k.to_bytes(4, "little") * 19))
            os.pwrite(newest, now_ns.to_bytes(8, "little"), 0)
            k += 1
            if now_ns - synced_ns > 500_000_000:
                synced_ns = now_ns
                writer.sync(now_ns)
            time.sleep(0.02)  # the pace of a sensor's packets: how much a kill loses is counted in time

for folder in sys.argv[2:]:
    if os.fork() == 0:
        write(folder)
for _ in sys.argv[2:]:
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_writer_killed_at_30_random_moments_loses_less_than_a_second_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """A put each 20 ms, a sync twice a second as a live run does; ten writers at a time."""
    rng = random.Random(5)
    for group in range(3):
        folders = [str(tmp_path / f"{group}-{k}") for k in range(10)]
        command = [sys.executable, "-c", WRITERS, str(Path(__file__).parent), *folders]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            began = [parent.stdout.readline().split() for _ in folders]
            due = sorted((int(ns) / 1e9 + rng.uniform(0.6, 1.6), int(pid), path) for path, pid, ns in began)
            killed = []
            for due_s, pid, path in due:
                while time.monotonic() < due_s:
                    time.sleep(0.002)  # until the random moment of this kill
                os.kill(pid, signal.SIGKILL)
                killed.append(Path(path))
        for folder in killed:
            newest_ns = int.from_bytes(folder.with_name(f"{folder.name}.newest").read_bytes(), "little")
            found = recover(folder)
            assert not found.clean
            for placement in BOTH:
                got = read(folder, placement)
                assert [int.from_bytes(p.payload[:4], "little") for p in got] == list(range(len(got)))
                assert newest_ns - (got[-1].host_time_ns if got else 0) < 1e9
            before = read(folder, SACRUM)
            recorded(folder.with_name(f"{folder.name}-next"), packets()[:20], meta(name="next"))
            assert read(folder, SACRUM) == before


@pytest.mark.skipif(os.name != "posix", reason="uses a POSIX limit")
def test_a_full_disk_is_one_sentence_and_what_waited_is_written_once_there_is_room(tmp_path: Path) -> None:
    import resource

    first, second = sent(SACRUM)[:60], sent(SACRUM)[60:200]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    writer = SessionWriter.create(tmp_path / "s", meta([SACRUM]))
    try:
        for packet in first:
            writer.put(packet)
        writer.sync(0)
        size = (tmp_path / "s" / "sacrum.arrows").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3000, hard))
        for packet in second:
            writer.put(packet)
        writer.append({"kind": "snooze", "tick": 1, "minutes": 5})
        for _ in range(2):
            with pytest.raises(PostureError, match=r"does not go on.*What was recorded so far is kept"):
                writer.sync(0)
            assert read(tmp_path / "s", SACRUM) == first
            assert (tmp_path / "s" / "sacrum.arrows").stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    writer.sync(0)
    writer.close(0)
    assert read(tmp_path / "s", SACRUM) == first + second
    assert [r["kind"] for r in Session.open(tmp_path / "s").records] == ["snooze", "end"]


def test_what_waits_for_the_disk_is_bounded_and_what_was_dropped_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PENDING_MAX", 50)
    with SessionWriter.create(tmp_path / "s", meta([SACRUM])) as writer:
        for packet in sent(SACRUM)[:80]:
            writer.put(packet)
    assert read(tmp_path / "s", SACRUM) == sent(SACRUM)[30:80]
    lost = [r for r in Session.open(tmp_path / "s").records if r["kind"] == "lost"]
    assert [r["packets"] for r in lost] == [30]


def test_an_error_in_a_run_leaves_a_session_without_a_clean_end(tmp_path: Path) -> None:
    def run() -> None:
        with SessionWriter.create(tmp_path / "s", meta([SACRUM])) as writer:
            writer.put(sent(SACRUM)[0])
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        run()
    assert read(tmp_path / "s", SACRUM) == sent(SACRUM)[:1]
    assert Session.open(tmp_path / "s").cut_off


# ---- compaction


def test_compaction_that_was_cut_off_loses_nothing_and_goes_on(folder: Path, tmp_path: Path) -> None:
    """Killed while the table was written, and killed before the stream was removed."""
    copy = shutil.copytree(folder, tmp_path / "s")
    (copy / ".sacrum.parquet.abc").write_bytes(b"half")
    (copy / "upper_lumbar.parquet").write_bytes(b"PAR1 not whole")
    for placement in BOTH:
        assert read(copy, placement) == sent(placement)
    compact(copy)
    for placement in BOTH:
        assert read(copy, placement) == sent(placement)
    assert not list(copy.glob(".*"))
    before = {p.name: p.read_bytes() for p in copy.iterdir()}
    compact(copy)
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == before


def test_a_table_that_does_not_read_back_as_written_leaves_the_stream(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(folder, tmp_path / "s")
    monkeypatch.setattr(compaction, "record_batch", _one_bit_off)
    with pytest.raises(PostureError, match="did not read back as it was written"):
        compact(copy)
    monkeypatch.undo()
    assert read(copy, SACRUM) == sent(SACRUM)
    assert not (copy / "sacrum.parquet").exists()


def _one_bit_off(block: PacketBlock, placement: Placement) -> object:
    data = block.data.copy()
    data[len(data) // 2] ^= 1
    return record_batch(PacketBlock(block.host_time_ns, block.kind, data, block.offsets), placement)


def test_a_session_that_is_none_is_refused_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "s")
    text = json.loads((copy / "session.json").read_text())
    for change, said in (
        ({"format": 99}, "session format 99"),
        ({"session": None, "sensors": []}, "is damaged"),
        ({"zone": "Mars/Base"}, "not an IANA time zone"),
    ):
        (copy / "session.json").write_text(json.dumps({**text, **change}))
        with pytest.raises(InputError, match=said):
            read_meta(copy)
    (copy / "session.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        read_meta(copy)
    with pytest.raises(InputError, match="is no session"):
        read_meta(tmp_path)


def test_a_file_under_the_name_of_the_other_sensor_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "s")
    shutil.copy(copy / "sacrum.arrows", copy / "upper_lumbar.arrows")
    with pytest.raises(InputError, match="holds the packets of sacrum, not of upper_lumbar"):
        list(packet_blocks(copy, UPPER))


def test_a_live_packet_of_every_kind_keeps_its_kind(tmp_path: Path) -> None:
    every = [RawPacket(SACRUM, 10 * k, kind, bytes([k])) for k, kind in enumerate(PacketKind)]
    recorded(tmp_path / "s", every, meta([SACRUM]))
    assert read(tmp_path / "s", SACRUM) == every
    np.testing.assert_array_equal([k.value for k in KINDS], [k.value for k in PacketKind])
