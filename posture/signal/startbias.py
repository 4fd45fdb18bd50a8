"""The gyroscope's bias as the calibration poses show it, so that a session does not start by learning it.

A sensor that lies on a table shows its bias and nothing else. Where no table was recorded the stands must do: a body sways, but
ends where it began. Measured from the stands of the tuning days: flexion in the first three minutes is off by 0.72 deg, 0.92
where the bias has to be learnt.
"""

from __future__ import annotations

import numpy as np

from posture.config import CalibrationConfig
from posture.signal.calibration import Poses
from posture.types import Float, ImuBlock

STANDS = ("stand", "stand_end")


def gyro_bias(block: ImuBlock, poses: Poses, params: CalibrationConfig) -> tuple[float, float, float] | None:
    """Mean rate of one sensor over the still windows of `table`, or else of the stands, rad/s.

    None without a gyroscope, and where no window is long and still enough. Rows with a NaN do not count.
    """
    if block.gyr_radps is None:
        return None
    for names, sd_max_dps in ((("table",), params.bias_table_sd_max_dps), (STANDS, params.bias_stand_sd_max_dps)):
        rates = [
            rate
            for name in names
            for from_s, to_s in poses.get(name, ())
            if (rate := _still_rate(block, block.gyr_radps, from_s, to_s, sd_max_dps, params)) is not None
        ]
        if rates:
            x, y, z = np.concatenate(rates).mean(axis=0).tolist()
            return x, y, z
    return None


def _still_rate(
    block: ImuBlock, gyr_radps: Float, from_s: float, to_s: float, sd_max_dps: float, params: CalibrationConfig
) -> Float | None:
    """(n, 3) rates of [from_s, to_s) where that is long and still enough."""
    inside = (block.time_s >= from_s) & (block.time_s < to_s)
    inside &= np.isfinite(block.acc_mps2).all(axis=1) & np.isfinite(gyr_radps).all(axis=1)
    rate, force, time_s = gyr_radps[inside], block.acc_mps2[inside], block.time_s[inside]
    if len(time_s) < 2:
        return None
    step_s = float(
        np.median(np.diff(time_s))
    )  # the last sample stands for the step that follows it; half of one is rounding
    if time_s[-1] - time_s[0] + 1.5 * step_s < params.bias_still_min_s:
        return None
    still = np.degrees(rate.std(axis=0)).max() <= sd_max_dps
    still &= force.std(axis=0).max() <= params.bias_force_sd_max_mps2
    return rate if still else None
