"""The reference recordings of scikit-digital-health: a lumbar sensor, chair rises (accelerometer only) and walking.

There is no truth, only what two modes of that algorithm say: agreement is reported, not accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.validation.evaluation import Dataset, Evaluation, Progress, each
from analysis.validation.measures import Measure, Ratio
from analysis.validation.score import match
from analysis.validation.trials import Trial, block, columns, mounting, replay, signals
from posture.types import Context, Placement

STILLNESS_S = ((23.24, 24.65), (36.60, 38.24), (81.64, 83.31))
DISPLACEMENT_S = ((85.03, 88.32), (89.19, 91.00))
"""Rises that its two modes give for its own test recording."""


def trial(path: Path) -> Trial[None]:
    """A recording without poses. Up is the axis along which gravity lies over the recording; forward its third axis."""
    data = columns(path)
    raw = np.stack([data[f"acc_{axis}"] for axis in "xyz"], axis=1).mean(axis=0)
    up = np.zeros(3)
    axis = int(np.abs(raw).argmax())
    up[axis] = np.sign(raw[axis])
    forward = np.eye(3)[2 if axis != 2 else 0]
    acc, gyr = signals(data, mounting(up.tolist(), forward.tolist()))
    time_s = data["time"]
    rate_hz = float((len(time_s) - 1) / (time_s[-1] - time_s[0]))
    return Trial(path.stem, path.stem, (block(Placement.UPPER_LUMBAR, time_s, acc, gyr),), rate_hz, {}, None)


def evaluate(files: Sequence[Path], progress: Progress) -> Evaluation:
    """Rises that both name, rises that only this product names, and the share of the walk said walking."""
    still, moved = (
        Ratio("its 'stillness' rises also said", "rises"),
        Ratio("its 'displacement' rises also said", "rises"),
    )
    more = Ratio("rises that only this product says", "h", unit="/h", at_most=True, digits=1)
    walk = Ratio("gait recording: seconds said walking", "s")
    for path in each(files, progress):
        one = trial(path)
        said = replay(one)
        if said is None:
            continue
        if "s2s" in path.stem:
            want = [{"t0": a, "t1": b} for a, b in (*STILLNESS_S, *DISPLACEMENT_S)]
            rises = said.of("sit_to_stand")
            pairs = match(want, rises)
            still.add(one.person, float(sum(i in pairs for i in range(3))), 3.0)
            moved.add(one.person, float(sum(i in pairs for i in (3, 4))), 2.0)
            more.add(one.person, float(len(rises) - len(pairs)), float(one.blocks[0].time_s[-1]) / 3600.0)
        else:
            have = said.epochs.valid_fraction >= 0.5
            walk.add(one.person, float((said.epochs.context[have] == Context.WALKING).sum()), float(have.sum()))
    rows: list[Measure] = [still, moved, more, walk]
    return Evaluation(tables={"Agreement": rows})


DATASET = Dataset(
    name="skdh",
    what="the test recordings of scikit-digital-health, a lumbar sensor: chair rises (accelerometer only), walking",
    truth="none: the rises are the output of that algorithm, the walk is not labelled; agreement, no accuracy",
    licence="MIT (scikit-digital-health); the rises are shipped in recordings/",
    simulated=False,
    place="real/peer",
    pattern="skdh_*_lumbar.parquet",
    evaluate=evaluate,
)
