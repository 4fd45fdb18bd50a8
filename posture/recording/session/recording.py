"""A session as a recording: the same face as a sample file, so that replay and calibration need not know which it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from posture.config import ClockConfig
from posture.recording.reader import RecordingInfo, RecordingSegment
from posture.recording.session.merge import Merged, Stretch, merge
from posture.recording.session.packets import NS
from posture.recording.session.reader import Session
from posture.recording.session.stream import packet_blocks
from posture.types import GRID_HZ, ImuBatch, ImuBlock, InputError, Placement, Segment

WINDOW_S = 300.0
"""s of samples in a batch, as in a sample file of 50 Hz."""
_LATE_SHOWN = 5
"""Stretches of late data that a note lists."""


class NoSamplesError(InputError):
    """A session in which no sensor was ever heard, or for too short a time."""


class SessionRecording:
    """A session whose samples are put in order, final or as live; made by `open_session`.

    merged : the completed record per sensor; empty where it is read as live.
    """

    def __init__(
        self, info: RecordingInfo, session: Session, params: ClockConfig, merged: Mapping[Placement, Merged] | None
    ) -> None:
        self.info = info
        self.session = session
        self._params = params
        self._merged = merged

    @property
    def late(self) -> dict[Placement, tuple[tuple[float, float], ...]]:
        """(from_s, to_s) of what each sensor's live stream lacked and its memory brought later."""
        return {p: m.late for p, m in (self._merged or {}).items()}

    @property
    def rates_hz(self) -> dict[Placement, float]:
        """Samples a second of each sensor by its own clock, in its longest stretch; without those that have none."""
        parts = {p: m.stretches for p, m in (self._merged or {}).items() if m.stretches}
        return {p: max(found, key=lambda s: len(s.row)).segment.rate_hz for p, found in parts.items()}

    def only(self, placement: Placement) -> SessionRecording:
        """The same session with one of its selected sensors; InputError where that is not one of them."""
        if placement not in self.info.selected:
            raise InputError(f"{self.info.path} is not read for {placement}; choose a sensor that it holds.")
        kept = None if self._merged is None else {placement: self._merged[placement]}
        return SessionRecording(replace(self.info, selected=(placement,)), self.session, self._params, kept)

    def batches(self, window_s: float = WINDOW_S) -> Iterator[ImuBatch]:
        """The whole session in order; the samples do not depend on how it is cut."""
        if self._merged is None:
            yield from self.session.as_live(self._params, self.info.selected)
            return
        for k in range(int(self.info.last_s // window_s) + 1):
            from_s, to_s = k * window_s, (k + 1) * window_s
            blocks, fits = [], []
            for placement, merged in self._merged.items():
                for stretch, a, b in _within(merged.stretches, from_s if k else -np.inf, to_s):
                    blocks.append(stretch.block(placement, a, b))
                    fits += [replace(f, placement=placement) for f in stretch.fits] if a == 0 else []
            # What comes later lies at `to_s` at the earliest.
            yield ImuBatch(tuple(blocks), float(np.nextafter(to_s, 0.0)), tuple(fits))

    def window(self, start_s: float, end_s: float) -> tuple[ImuBlock, ...]:
        """The samples with start_s <= session time < end_s, one block per selected sensor; see `Recording.window`."""
        if self._merged is None:
            raise InputError(f"{self.info.path} is read as live, and gives no samples apart; leave away --as-live.")
        blocks = []
        for placement, merged in self._merged.items():
            inside = list(_within(merged.stretches, start_s, end_s))
            if len(inside) > 1:
                changes_s = float(inside[1][0].session_s[0])
                raise InputError(
                    f"In {self.info.path} {placement.words} starts anew at {changes_s:.1f} s, within the {start_s:.1f} to "
                    f"{end_s:.1f} s that are needed as one piece; use poses that lie on one side of it."
                )
            if inside:
                stretch, a, b = inside[0]
                block = stretch.block(placement, a, b)
                blocks.append(replace(block, time_s=block.arrived_s))
            else:
                none = np.empty((0, 3))
                blocks.append(ImuBlock(placement, np.empty(0), none, none, np.empty(0)))
        return tuple(blocks)


def _within(stretches: Sequence[Stretch], from_s: float, to_s: float) -> Iterator[tuple[Stretch, int, int]]:
    """Stretches with a row in [from_s, to_s), and which rows those are."""
    for stretch in stretches:
        a, b = (int(k) for k in np.searchsorted(stretch.session_s, (from_s, to_s)))
        if b > a:
            yield stretch, a, b


def open_session(
    folder: Path,
    *,
    sensors: Sequence[Placement] | None = None,
    as_live: bool = False,
    params: ClockConfig | None = None,
) -> SessionRecording:
    """Read a session whole: the final result's samples, or with `as_live` what a live run was fed with.

    InputError in one sentence where the folder is none, a sensor was asked for that it has not, or it holds no sample.
    """
    session = Session.open(folder)
    wanted = session.meta.placements if sensors is None else tuple(p for p in Placement if p in sensors)
    for placement in wanted:
        if placement not in session.meta.placements:
            raise InputError(
                f"{folder} has no {placement}; it has {', '.join(session.meta.placements)}: ask for that instead."
            )
    if not wanted:
        raise InputError("No sensor was asked for; name sacrum, upper_lumbar or both.")
    params = params or ClockConfig()
    end_s = _end_ns(session) / NS
    merged = None
    if not as_live:
        merged = {p: merge(packet_blocks(folder, p), p, params, end_s=end_s) for p in wanted}
        if not any(m.stretches for m in merged.values()):
            raise NoSamplesError(f"{folder} holds no sample of {' or '.join(wanted)}; use another session.")
    return SessionRecording(_info(session, wanted, merged, end_s), session, params, merged)


def _end_ns(session: Session) -> int:
    """When the session ended, ns; of one that was cut off and not recovered, its last packet."""
    if session.end_ns is not None:
        return session.end_ns
    newest = 0
    for placement in session.meta.placements:
        for block in packet_blocks(session.folder, placement):
            newest = max(newest, int(block.host_time_ns[-1]))
    return newest


def _info(
    session: Session, wanted: tuple[Placement, ...], merged: Mapping[Placement, Merged] | None, end_s: float
) -> RecordingInfo:
    """Sessions begin at 0 and last to their end, with samples or without."""
    every = [s for m in (merged or {}).values() for s in m.stretches]
    longest = max(every, key=lambda s: float(s.session_s[-1] - s.session_s[0]), default=None)
    rate_hz = longest.segment.rate_hz if longest else float(GRID_HZ)
    meta = session.meta
    return RecordingInfo(
        path=session.folder,
        present=meta.placements,
        selected=wanted,
        rate_hz=rate_hz,
        has_gyro=dict.fromkeys(wanted, True),
        first_s=0.0,
        last_s=end_s,
        rows=sum(len(s.row) for s in every),
        start_utc=meta.start_utc,
        zone=meta.zone,
        notes=tuple(_notes(session, merged or {})),
        segments=(RecordingSegment(0.0, Segment(0, rate_hz)),),
    )


def _notes(session: Session, merged: Mapping[Placement, Merged]) -> list[str]:
    notes = []
    if session.cut_off:
        notes.append("The session was cut off, not ended; at most its last second is missing.")
    lost = sum(int(r.get("packets", 0)) for r in session.records if r["kind"] == "lost")
    if lost:
        notes.append(f"{lost} packets could not be written while it was recorded.")
    for kind, what in (("config", "configuration"), ("calibration", "calibration")):
        if any(r["kind"] == kind for r in session.records):
            notes.append(f"The {what} was changed on the way; this result uses the one of the start throughout.")
    for placement, found in merged.items():
        if found.late:
            spans = ", ".join(f"{a:.0f}-{b:.0f} s" for a, b in found.late[:_LATE_SHOWN])
            more = f" and {len(found.late) - _LATE_SHOWN} more" if len(found.late) > _LATE_SHOWN else ""
            total_s = sum(b - a for a, b in found.late)
            if round(total_s):
                notes.append(f"{placement.words}: {total_s:.0f} s came late from the sensor's memory ({spans}{more}).")
        if found.thin_s:
            notes.append(
                f"{placement.words}: {found.thin_s:.0f} s are averages of a quarter of the rate; the rest was overwritten."
            )
        if found.undated_n:
            notes.append(
                f"{placement.words}: {found.undated_n} samples of a boot that was never live have no time and are left out."
            )
        if not found.stretches:
            notes.append(f"{placement.words}: no samples in this session.")
    return notes
