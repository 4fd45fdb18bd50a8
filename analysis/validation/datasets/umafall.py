"""UMAFall: a sensor tag on an elastic waist band, 20 samples a second over a real BLE link; a robustness test.

Some people lean forward in `bending` and others, by their data, backward: the band was turned or the task done otherwise. So
forward is not known, and what is scored is what does not need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.validation.evaluation import Dataset, Evaluation, Progress, each
from analysis.validation.figures import draw_people
from analysis.validation.measures import Ratio
from analysis.validation.trials import SHORT_STAND, Trial, block, columns, frame, manifest, replay, signals
from posture.types import Context, InputError, Placement

STAND_S = 1.0
GESTURES = ("aplausing", "handsup", "makingacall", "openingdoor")


@dataclass(frozen=True, slots=True)
class Truth:
    """The trial's script."""

    label: str


def trials(path: Path) -> Iterator[Trial[Truth]]:
    """All trials of one person's file."""
    row = manifest(path.parent)[path.name]
    turn = frame(row)
    if turn is None:
        raise InputError(f"the manifest has no reference frame for {path.name}")
    data = columns(path)
    for name in sorted(set(data["trial"].tolist())):
        rows = np.flatnonzero(data["trial"] == name)
        acc, gyr = signals(data, turn, rows)
        time_s = data["time"][rows]
        rate_hz = float((len(rows) - 1) / (time_s[-1] - time_s[0]))
        sensor = block(Placement.SACRUM, time_s, acc, gyr)
        stands = {"stand": [(0.0, STAND_S)]}
        yield Trial(
            row["subject"], name, (sensor,), rate_hz, stands, Truth(str(data["label"][rows[0]])), 0.0, SHORT_STAND
        )


def evaluate(files: Sequence[Path], progress: Progress) -> Evaluation:
    """What survives 20 Hz and an unknown forward, one sensor worn as the sacrum one."""
    refused = Ratio("trials refused", "trials", at_most=True)
    known = Ratio("seconds with data that have an angle or a context", "s")
    walking = Ratio("walking: seconds said walking", "s")
    lay = Ratio("lying down on a bed: lying is said", "trials")
    bend = Ratio("bending: a bend is said", "trials")
    sat = Ratio("chair: a sit-down or a rise is said", "trials")
    busy = Ratio("clapping, hands up, phone, door: bend or chair event said", "trials", at_most=True)
    gestures = Ratio("clapping, hands up, phone, door: seconds said standing", "s")
    verdicts = Ratio("verdicts other than unknown", "events", at_most=True)
    for path in each(files, progress):
        for trial in trials(path):
            who, label = trial.person, trial.truth.label
            said = replay(trial)
            refused.add(who, float(said is None))
            if said is None:
                continue
            have = said.epochs.valid_fraction >= 0.5
            context = said.epochs.context[have]
            known.add(who, float((context != Context.UNKNOWN).sum()), float(have.sum()))
            for e in said.of("bend", "sit_to_stand", "stand_to_sit"):
                verdicts.add(who, float(e["verdict"] != "unknown"))
            if label == "walking":
                walking.add(who, float((context == Context.WALKING).sum()), float(len(context)))
            elif label == "lyingdown_onabed":
                lay.add(who, float((context == Context.LYING).any()))
            elif label == "bending":
                bend.add(who, float(bool(said.of("bend"))))
            elif label == "sitting_gettinguponachair":
                sat.add(who, float(bool(said.of("sit_to_stand", "stand_to_sit"))))
            elif label in GESTURES:
                busy.add(who, float(bool(said.of("bend", "sit_to_stand", "stand_to_sit"))))
                gestures.add(who, float((context == Context.STANDING).sum()), float(len(context)))
    rows = [refused, known, walking, lay, bend, sat, busy, gestures, verdicts]
    return Evaluation(
        tables={"Robustness": rows}, figures={"umafall": draw_people([walking, lay, bend, sat, gestures])}
    )


DATASET = Dataset(
    name="umafall",
    what="adults with a sensor tag on a waist band, 20 Hz over a real BLE link: scripted daily actions",
    truth="only the script of each trial; forward is not known (bends go either way); a robustness test, no accuracy",
    licence="UMAFall (Casilari et al. 2017), figshare 4214283: licence to be confirmed, not shipped",
    simulated=False,
    place="real/umafall",
    pattern="umafall_*.parquet",
    evaluate=evaluate,
)
