"""Sitting in flexion: the plain cut of each second, the time-in-flexion meter, and bouts.

The meter is a first-order model of tissue creep, dc/dt = (u - c) / tau, stepped once a second: it rises while the lumbar spine
is flexed, and standing lets it fall three times as fast as sitting straighter does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.config import Config, SittingConfig
from posture.detect.context import ContextBlock
from posture.detect.said import Said
from posture.detect.seat import Seat, SeatState
from posture.signal.calibration import Calibration
from posture.types import Basis, Bool, Context, EpochBlock, EventKind, Float, Int8, Placement, PostureEvent, Verdict


@dataclass(slots=True)
class Bout:
    """An open bout: start, last second at or over the off level, its peak and sums for its means."""

    start_s: float
    last_s: float
    peak_s: float
    peak_deg: float
    sum_pct: float = 0.0
    seconds: int = 0
    confidence: float = 0.0


@dataclass(slots=True)
class SittingState:
    """The meter (0-1), seconds of gap in a row, the open bout; of a sacrum alone its seat, and whether it was flexed last."""

    creep: float = 0.0
    gap_s: float = 0.0
    bout: Bout | None = field(default=None)
    seat: SeatState | None = None
    flexed: bool = False


def carried(creep: float, away_s: float, params: SittingConfig) -> SittingState:
    """The meter of a session that begins `away_s` after the last second of the one before: the time between is like a gap."""
    recovered_s = max(0.0, away_s - params.hold_over_gap_s)
    return SittingState(creep=creep * (1.0 - 1.0 / (60.0 * params.load_tau_min)) ** recovered_s, gap_s=max(0.0, away_s))


class Sitting:
    """Labelled seconds -> epochs with `flexed` and the meter, and `flexed_sitting` events when a bout has ended."""

    def __init__(self, config: Config, calibration: Calibration, state: SittingState | None = None) -> None:
        params = config.sitting
        self.params, self.calibration = params, calibration
        self.two = calibration.basis is Basis.TWO
        self.on_pct = flexed_from_pct(params, calibration)
        self.off_pct = params.flexed_off_pct if self.two else params.slump_off_pct
        self._state = state or SittingState()
        sacrum = None if self.two else calibration.sensors.get(Placement.SACRUM)
        self.sure_share = 1.0 if self.two else params.upper_share if sacrum is None else params.sacrum_share
        judges = sacrum is not None and calibration.judges_sitting
        self._seat = Seat(config.seat, sacrum, self._state.seat) if sacrum is not None and judges else None
        full_pct = self.on_pct if self._seat is None else params.slump_full_pct
        self.full_pct = full_pct + params.start_raised_pct

    @property
    def state(self) -> SittingState:
        """The live memory."""
        self._state.seat = None if self._seat is None else self._seat.state
        return self._state

    def push(self, block: ContextBlock, paused: Bool | None = None) -> tuple[EpochBlock, list[Said]]:
        """Epochs of these seconds, and the bouts that ended in them. paused : (m,) seconds in which nothing may be judged."""
        f = block.features
        pct_rom, index = flexion_levels(block, self.calibration)
        held = np.zeros(len(block.start_s), dtype=np.bool_)
        if self._seat is not None:
            back, held = self._seat.push(block, paused)
            index = np.where(block.context == Context.SITTING, back, index)
        level = pct_rom if self.two else index
        sitting = block.context == Context.SITTING
        judged = sitting & ~np.isnan(level) & self.calibration.judges_sitting & ~self._reclined(block)
        if paused is not None:
            judged &= ~paused
        flexed = self._flexed(np.where(judged, level, np.nan))
        drive = np.clip((level - (self.full_pct - self.params.ramp_pct)) / self.params.ramp_pct, 0.0, 1.0)
        creep = self._meter(block.context, np.where(judged, drive, 0.0))
        angle = f.flexion_deg if self.two else _one_sensor_deg(block, self.calibration)
        said = self._bouts(block, np.where(judged, level, np.nan), angle, held)
        epochs = EpochBlock(
            start_s=block.start_s,
            context=block.context,
            context_confidence=block.confidence,
            sacrum_inclination_deg=f.sacrum_inclination_deg,
            upper_lumbar_inclination_deg=f.upper_lumbar_inclination_deg,
            flexion_deg=f.flexion_deg,
            lateral_deg=f.lateral_deg,
            flexion_pct_rom=pct_rom,
            slump_index_pct=index,
            flexed=flexed,
            creep=creep,
            valid_fraction=f.valid_fraction,
        )
        return epochs, said

    def flush(self) -> list[Said]:
        """End of session ends an open bout."""
        bout, self.state.bout = self.state.bout, None
        return [] if bout is None else self._event(bout, bout.last_s)

    def _flexed(self, level: Float) -> Int8:
        """1 or 0, -1 where the level is NaN: a plain cut, which at the sacrum holds on until the level is under `off`."""
        if self._seat is None:
            return np.where(np.isnan(level), -1, level >= self.on_pct).astype(np.int8)
        held, out = self._state.flexed, []
        for pct in level.tolist():
            held = pct >= (self.off_pct if held else self.on_pct)  # NaN: no
            out.append(-1 if np.isnan(pct) else int(held))
        self._state.flexed = held
        return np.array(out, dtype=np.int8)

    def _reclined(self, block: ContextBlock) -> Bool:
        """One sensor at the sacrum: so far behind full slump that the chair's back carries it; flexion is then not known.

        The limit is half way from slump to the person's own recline where that was recorded.
        """
        if self.two or Placement.SACRUM not in self.calibration.sensors:
            return np.zeros(len(block.start_s), dtype=np.bool_)
        sensor = self.calibration.sensors[Placement.SACRUM]
        behind_deg = (sensor.slump_deg - sensor.recline_deg) / 2.0
        limit = sensor.slump_deg - (self.params.recline_behind_slump_deg if np.isnan(behind_deg) else behind_deg)
        return np.asarray(block.features.sacrum_inclination_deg < limit)

    def _meter(self, context: Int8, drive: Float) -> Float:
        state, p = self.state, self.params
        sit_rate, rest_rate = 1.0 / (60.0 * p.load_tau_min), 1.0 / (60.0 * p.recover_tau_min)
        resting = (Context.STANDING, Context.WALKING, Context.LYING, Context.NON_WEAR)
        creep, out = state.creep, []
        for label, u in zip(context.tolist(), drive.tolist(), strict=True):
            state.gap_s = state.gap_s + 1.0 if label == Context.GAP else 0.0
            if label == Context.SITTING:
                creep += (u - creep) * sit_rate
            elif label in resting:
                creep -= creep * rest_rate
            elif state.gap_s > p.hold_over_gap_s:
                creep -= creep * sit_rate
            out.append(creep)
        state.creep = creep
        return np.array(out, dtype=np.float64)

    def _bouts(self, block: ContextBlock, level: Float, angle: Float, held: Bool) -> list[Said]:
        """Bouts begin at the on level and end after `bout_end_s` under the off level, out of sitting or unjudged.

        What follows seconds whose level is `held` says whether they were part of the bout, or its end.
        """
        state = self.state
        said: list[Said] = []
        flexed = level >= self.off_pct  # NaN: no
        starts = level >= self.on_pct
        if state.bout is None and not starts.any():
            return said
        rows = zip(
            block.start_s.tolist(),
            flexed.tolist(),
            starts.tolist(),
            level.tolist(),
            angle.tolist(),
            block.confidence.tolist(),
            held.tolist(),
            strict=True,
        )
        for second, over, starts_here, pct, deg, confidence, waits in rows:
            if waits:
                continue
            bout = state.bout
            if bout is None and starts_here:
                bout = state.bout = Bout(second, second, second, deg)
            if bout is None:
                continue
            if over:
                bout.last_s, bout.seconds = second, bout.seconds + 1
                bout.sum_pct += pct
                bout.confidence += confidence
                if deg > bout.peak_deg if self.two else pct > bout.peak_deg:
                    bout.peak_s, bout.peak_deg = second, deg
            elif second - bout.last_s > self.params.bout_end_s:
                said += self._event(bout, second)
                state.bout = None
        return said

    def _event(self, bout: Bout, epoch_s: float) -> list[Said]:
        end_s = bout.last_s + 1.0
        if end_s - bout.start_s < self.params.bout_min_s:
            return []
        # That somebody sits is one thing, that it is flexed another.
        sure = self.sure_share
        event = PostureEvent(
            kind=EventKind.FLEXED_SITTING,
            start_s=bout.start_s,
            end_s=end_s,
            peak_s=bout.peak_s,
            peak_deg=round(bout.peak_deg, 1),
            verdict=Verdict.ROUNDED,
            basis=self.calibration.basis,
            confidence=round(sure * bout.confidence / max(bout.seconds, 1), 3),
            evidence={
                "mean_pct": round(bout.sum_pct / max(bout.seconds, 1), 1),
                "measure": "flexion_pct_rom" if self.two else "slump_index_pct",
                "rom_measured": self.calibration.rom_measured,
            },
        )
        return [Said(epoch_s, event)]


def flexed_from_pct(params: SittingConfig, calibration: Calibration) -> float:
    """The level of `flexion_levels` from which a second is flexed."""
    return params.flexed_on_pct if calibration.basis is Basis.TWO else params.slump_on_pct


def flexion_levels(block: ContextBlock, calibration: Calibration) -> tuple[Float, Float]:
    """Flexion in % of range (two sensors) and slump index (one), each (m,), NaN where the other applies or nothing is judged."""
    none = np.full(len(block.start_s), np.nan)
    if calibration.basis is Basis.TWO:
        return 100.0 * block.features.flexion_deg / calibration.rom_deg, none
    sensor = next(iter(calibration.sensors.values()))
    span = sensor.sit_tall_deg - sensor.slump_deg
    if not calibration.judges_sitting or np.isnan(span):
        return none, none
    return none, 100.0 * (sensor.sit_tall_deg - _one_sensor_deg(block, calibration)) / span


def _one_sensor_deg(block: ContextBlock, calibration: Calibration) -> Float:
    f = block.features
    return f.sacrum_inclination_deg if Placement.SACRUM in calibration.sensors else f.upper_lumbar_inclination_deg
