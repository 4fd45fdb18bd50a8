"""Decided seconds made by hand, for the slow detectors and the alert policy: what the wearer did, one call per stretch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posture.alerts import AlertPolicy, Epoch, UserAction
from posture.answers import off_pct, rests
from posture.config import Config
from posture.days import Days
from posture.detect.context import ContextBlock
from posture.detect.epochs import EpochFeatures
from posture.detect.sitting import Sitting
from posture.signal.calibration import Calibration, SensorCalibration
from posture.types import Alert, Context, EpochBlock, Placement

ROM_DEG = 50.0
TALL_DEG, SLUMP_DEG = -8.0, -28.0


def wear(*sensors: Placement) -> Calibration:
    """A calibrated wear with a range of 50 deg, sacrum -8 deg sitting tall and -28 deg in full slump."""
    chosen = sensors or tuple(Placement)
    one = SensorCalibration(np.eye(3), 9.81, sit_tall_deg=TALL_DEG, slump_deg=SLUMP_DEG)
    flexion = (7.5, 44.0) if len(chosen) == 2 else (np.nan, np.nan)
    return Calibration(
        source="poses",
        sensors=dict.fromkeys(chosen, one),
        rom_deg=ROM_DEG,
        rom_measured=True,
        judges_sitting=True,
        grade="good",
        sit_tall_flexion_deg=flexion[0],
        slump_flexion_deg=flexion[1],
    )


@dataclass
class Day:
    """Stretches of seconds, in order. pct : % of range with two sensors, slump index with the sacrum alone."""

    two: bool = True
    rows: list[tuple[int, float, float]] = field(default_factory=list)
    asked: list[UserAction] = field(default_factory=list)

    def ask(self, *actions: UserAction) -> Day:
        """What the wearer asks of the alerts, in order."""
        self.asked += actions
        return self

    def add(self, minutes: float, context: Context, pct: float = 0.0, confidence: float = 0.95) -> Day:
        self.rows += [(int(context), pct, confidence)] * round(60 * minutes)
        return self

    def sit(self, minutes: float, pct: float) -> Day:
        return self.add(minutes, Context.SITTING, pct)

    def stand(self, minutes: float) -> Day:
        return self.add(minutes, Context.STANDING)

    def block(self) -> ContextBlock:
        context, pct, confidence = (np.array(c) for c in zip(*self.rows, strict=True))
        sacrum = TALL_DEG - pct / 100.0 * (TALL_DEG - SLUMP_DEG) if not self.two else np.full(len(pct), -10.0)
        upper = sacrum + pct / 100.0 * ROM_DEG if self.two else np.full(len(pct), np.nan)
        gap = context == Context.GAP
        start = np.arange(len(context), dtype=np.float64)
        zero = np.zeros(len(context))
        features = EpochFeatures(
            start, sacrum, upper, np.where(gap, np.nan, upper - sacrum), *[zero] * 5, 1.0 - gap, 1.0 - gap
        )
        seated = np.where(context == Context.SITTING, confidence, 1 - confidence)
        return ContextBlock(start, context.astype(np.int8), confidence, seated, features)

    def run(
        self,
        config: Config = Config(),  # noqa: B008
        calibration: Calibration | None = None,
        days: Days | None = None,
        hears_answers: bool = False,
    ) -> tuple[EpochBlock, list[Alert]]:
        """Through the meter and the policy, as the pipeline does it."""
        made = calibration or (wear() if self.two else wear(Placement.SACRUM))
        epochs, _ = Sitting(config, made).push(self.block())
        policy = AlertPolicy(
            config.alerts, lag_s=5, judges_sitting=made.judges_sitting, hears_answers=hears_answers, days=days
        )
        none = np.zeros(len(epochs), dtype=bool)
        _, under = rests(epochs, off_pct(config, made.basis), made.basis)
        judged = (epochs.start_s, epochs.context, epochs.context_confidence, epochs.creep, epochs.flexed)
        columns = (*judged, none, none, under)
        said, waiting = [], list(self.asked)
        for row in zip(*(c.tolist() for c in columns), strict=True):
            while waiting and waiting[0].at_s <= policy.raised_s(row[0]):
                policy.push(waiting.pop(0))
            said.append(policy.push(Epoch(*row)))
        return epochs, [a for a in said if a is not None]

    def minutes(self) -> list[float]:
        """When alerts were due, in minutes on `about_s`."""
        return [a.about_s / 60.0 for a in self.run()[1]]
