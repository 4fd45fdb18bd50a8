"""What a set of repetitions was, and how well the back was held in it: pure functions of its repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from posture.config import ExerciseConfig
from posture.detect.chance import median
from posture.detect.declared import BRACE, HIP_HINGE, OFFLOAD_CONTROL, REVERSE_LUNGE, SQUAT
from posture.detect.reps import Rep
from posture.types import Placement

UNKNOWN = "unknown"


class Normal(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    sd: float


class Kind(NamedTuple):
    """How an exercise looks: way down of the hips, m; lean of trunk and of pelvis, deg; size of the tip to a side, deg."""

    drop_m: Normal
    trunk_deg: Normal
    pelvis_deg: Normal
    tip_deg: Normal


KINDS = {
    SQUAT: Kind(Normal(0.34, 0.09), Normal(43.0, 10.0), Normal(29.0, 8.0), Normal(0.0, 1.6)),
    HIP_HINGE: Kind(Normal(0.05, 0.09), Normal(57.0, 10.0), Normal(48.0, 9.0), Normal(0.0, 1.6)),
    REVERSE_LUNGE: Kind(Normal(0.30, 0.08), Normal(22.0, 11.0), Normal(16.0, 10.0), Normal(3.5, 2.5)),
}
"""Provisional: chosen on simulated people, seeds 1-20, and on the sets of labelled days 21-28 (simulated from recorded motion)."""
_OTHER = Kind(Normal(0.2, 0.3), Normal(50.0, 45.0), Normal(35.0, 35.0), Normal(4.0, 8.0))
_OTHER_SHARE = 0.1
"""Anything else that repeats; broad, so that a set which looks like none of the three is not named."""


def named(reps: Sequence[Rep], sensors: Sequence[Placement]) -> tuple[str, float]:
    """The exercise on the feet that the medians of the first repetitions, before form breaks, fit best; and its probability."""
    reps = reps[:_NAMED_BY_N]
    drop_m, lean_deg = median(r.drop_m for r in reps), median(r.lean_deg for r in reps)
    tip_deg = median(abs(r.lateral_deg) for r in reps)
    trunk = Placement.UPPER_LUMBAR in sensors

    def density(kind: Kind) -> float:
        lean = kind.trunk_deg if trunk else kind.pelvis_deg
        return _normal(drop_m, kind.drop_m) * _normal(lean_deg, lean) * _normal(tip_deg, kind.tip_deg)

    likely = {name: density(kind) for name, kind in KINDS.items()}
    best = max(likely, key=lambda name: likely[name])
    return best, likely[best] / (sum(likely.values()) + _OTHER_SHARE * density(_OTHER))


def named_on_mat(reps: Sequence[Rep], rest_deg: float) -> tuple[str, float]:
    """Off-load control, or a brace whose pelvis tips back, and the probability.

    rest_deg : lowest inclination before the first repetition. A brace tips back from it, so that its "repetitions" are the rests
    between and begin tipped. With two sensors the trunk says it too: it stays while the pelvis of a brace tips.
    """
    share = float(np.median([r.flexion_deg / r.pelvis_deg if r.pelvis_deg else np.nan for r in reps]))
    tipped_deg = rest_deg - float(np.median([r.level_deg for r in reps[:_REFERENCE_N]]))
    back = tipped_deg > _BACK_SHARE * float(np.median([r.lean_deg for r in reps]))
    if np.isnan([r.pelvis_deg for r in reps]).any() and back:
        return UNKNOWN, 0.0  # a brace moves the pelvis, and no sensor is there
    if np.isnan(share):
        return (BRACE if back else OFFLOAD_CONTROL), _ONE_ON_MAT
    return (BRACE if share < _STILL_TRUNK else OFFLOAD_CONTROL), _TWO_ON_MAT


_STILL_TRUNK = -0.6
"""Flexion per deg of pelvis under which the trunk stays (-1: not at all); ours."""
_BACK_SHARE = 0.5
_ONE_ON_MAT, _TWO_ON_MAT = 0.7, 0.9
"""Probability of the name. Provisional: ours."""


def _normal(value: float, normal: Normal) -> float:
    return float(np.exp(-0.5 * ((value - normal.mean) / normal.sd) ** 2) / normal.sd)


@dataclass(frozen=True, slots=True)
class Form:
    """How the back was held. clean : per repetition; None where it was not measured. first_failed : 1 is the first; None: none, or
    not measured.
    """

    clean: tuple[bool, ...] | None
    first_failed: int | None

    @property
    def clean_n(self) -> int | None:
        """How many were clean."""
        return None if self.clean is None else sum(self.clean)


def form_of(
    change_deg: Sequence[float],
    roll_deg: Sequence[float],
    clean_deg: float,
    roll_max_deg: float,
    params: ExerciseConfig,
) -> Form:
    """Clean repetitions and the first whose form failed.

    change_deg : what should not change, per repetition: lumbar flexion on the feet, the pelvis on a mat; NaN: not measured.
    A repetition fails when it is not clean and exceeds the mean of the clean ones of the first three by the larger of the two
    margins: less than 5 deg is within what two sensors know. Where none of the first three is clean the form failed from the start.
    """
    if not change_deg or np.isnan([*change_deg, *roll_deg]).any():
        return Form(None, None)
    size = np.abs(change_deg)
    clean = (size <= clean_deg) & (np.abs(roll_deg) <= roll_max_deg)
    first = size[:_REFERENCE_N][clean[:_REFERENCE_N]]
    if not len(first):
        return Form(tuple(clean.tolist()), 1)
    usual = float(first.mean())
    failed = ~clean & (size > usual + max(params.failed_deg, params.failed_pct / 100.0 * usual))
    return Form(tuple(clean.tolist()), int(np.argmax(failed)) + 1 if failed.any() else None)


_REFERENCE_N, _NAMED_BY_N = 3, 5


def side_of(reps: Sequence[Rep], tip_min_deg: float) -> str | None:
    """Which way the pelvis tipped in a lunge: `left`, `right`, `both` in turn; None where it hardly did."""
    sides = [r.lateral_deg > 0 for r in reps if abs(r.lateral_deg) >= tip_min_deg]
    if len(sides) < _TIPPED_SHARE * len(reps):
        return None
    right = sum(sides) / len(sides)
    if right >= _ONE_SIDE:
        return "right"
    return "left" if right <= 1.0 - _ONE_SIDE else "both"


_TIPPED_SHARE, _ONE_SIDE = 0.6, 0.75
"""Shares of the repetitions that tip at all, and of those to the same side; ours."""
