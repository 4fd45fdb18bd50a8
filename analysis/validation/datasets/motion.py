"""Virtual sensors on recorded human motion (CMU motion capture): angles of pelvis and spine as truth, bends with a class.

Each trial is preceded by a simulated calibration of its person: 10 s of standing at the person's own neutral, then three slow
bends to the person's largest flexion; a gap; then the recorded motion. The signals carry the errors of a consumer part.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.validation.evaluation import WEARS, Dataset, Evaluation, Progress, each, part_of
from analysis.validation.figures import draw_people
from analysis.validation.measures import Auc, Claim, Measure, Ratio
from analysis.validation.score import BENDS_FROM_DEG, EXCUSED_DEG, NOT_BENDS, match
from analysis.validation.synth.sensor import Part, measured
from analysis.validation.trials import GAP_S, Said, Trial, block, replay
from posture.types import G_MPS2, Bool, Float, Placement

RATE_HZ = 50.0
STAND_S, BEND_S, BENDS = 10.0, 5.0, 3
SETTLE_S = 3.0
"""s after a gap in which the orientation, restarted in the middle of a movement, may be wrong; scored apart."""
PELVIS_SHARE_DEG = 40.0
"""deg that the pelvis leans in the calibration bends; ours."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Truth of the trial itself, whose first sample lies at `offset_s` of the samples.

    events : as in the file, t0 and t1 moved by `offset_s`, with `trunk_peak_deg`. angles : (n,) deg relative to the person's
    neutral. sound : (n,) samples whose recorded skeleton is believed. rom_deg : the person's largest lumbar flexion.
    """

    events: list[dict[str, Any]]
    angles: Mapping[str, Float]
    sound: Bool
    offset_s: float
    rom_deg: float


def trial(path: Path) -> Trial[Truth]:
    """One file: routine, gap, recorded motion; the same part (errors) for the whole of it."""
    with np.load(path) as data:
        values = {k: data[k] for k in data.files}
    names = [str(n) for n in values["truth_cols"]]
    truth = {n: values["truth"][:, k].astype(np.float64) for k, n in enumerate(names)}
    rom_deg = float(values["lf_max"])
    neutral = {Placement.SACRUM: float(values["neutral"][0]), Placement.UPPER_LUMBAR: float(values["neutral"][1])}
    reach = {Placement.SACRUM: PELVIS_SHARE_DEG, Placement.UPPER_LUMBAR: PELVIS_SHARE_DEG + rom_deg}
    routine_n = round((STAND_S + BENDS * BEND_S + 1.0) * RATE_HZ)
    offset_s = routine_n / RATE_HZ + GAP_S
    n = len(values["acc_s"])
    time_s = np.concatenate([np.arange(routine_n) / RATE_HZ, offset_s + np.arange(n) / RATE_HZ])
    rng = np.random.default_rng([20261122, zlib.crc32(path.stem.encode())])
    blocks = []
    for placement, key in ((Placement.SACRUM, "s"), (Placement.UPPER_LUMBAR, "l")):
        acc, gyr = _routine(neutral[placement], reach[placement], routine_n)
        acc = np.concatenate([acc, values[f"acc_{key}"].astype(np.float64)])
        gyr = np.concatenate([gyr, values[f"gyr_{key}"].astype(np.float64)])
        blocks.append(block(placement, time_s, *measured(acc, gyr, RATE_HZ, Part(), rng)))
    bends = [(STAND_S + k * BEND_S, STAND_S + (k + 1) * BEND_S) for k in range(BENDS)]
    poses = {"stand": [(1.0, STAND_S - 0.5)], "bend_max": bends}
    events = [_moved(e, truth["lum_incl"], offset_s) for e in json.loads(str(values["events"]))]
    angles = {
        "sacrum_inclination_deg": truth["pel_incl"],
        "upper_lumbar_inclination_deg": truth["lum_incl"],
        "flexion_deg": truth["lumbar_flex"],
    }
    known = Truth(events, angles, ~values["bad"].astype(np.bool_), offset_s, rom_deg)
    return Trial(str(values["subject"]), path.stem, tuple(blocks), RATE_HZ, poses, known, offset_s)


def _routine(neutral_deg: float, reach_deg: float, n: int) -> tuple[Float, Float]:
    """Force m/s^2 and rate rad/s, (n, 3), of standing and slow forward bends: gravity and the turning alone."""
    t = np.arange(n) / RATE_HZ - STAND_S
    bending = (t >= 0) & (t < BENDS * BEND_S)
    lean = np.where(bending, reach_deg * np.sin(np.pi * t / BEND_S) ** 2, 0.0)
    theta = np.radians(neutral_deg + lean)
    acc, gyr = np.zeros((n, 3)), np.zeros((n, 3))
    acc[:, 0], acc[:, 2] = -G_MPS2 * np.sin(theta), G_MPS2 * np.cos(theta)
    gyr[:, 1] = np.gradient(theta) * RATE_HZ
    return acc, gyr


def _moved(event: dict[str, Any], trunk_deg: Float, offset_s: float) -> dict[str, Any]:
    a, b = (round(event[k] * RATE_HZ) for k in ("t0", "t1"))
    peak = float(trunk_deg[a : b + 1].max())
    return {**event, "t0": event["t0"] + offset_s, "t1": event["t1"] + offset_s, "trunk_peak_deg": peak}


def evaluate(files: Sequence[Path], progress: Progress) -> Evaluation:
    """Angles, bends and their verdicts, chair rises; both sensors and each alone."""
    tables: dict[str, list[Measure]] = {}
    figure: list[Measure] = []
    claims: list[Claim] = []
    for k, (wear, sensors) in enumerate(WEARS.items()):
        rows = _Rows(two=len(sensors) == 2)
        for path in each(files, part_of(progress, k, len(WEARS))):
            one = trial(path)
            said = replay(one, sensors=sensors, angles=True)
            if said is not None:
                rows.add(one, said, claims)
        tables[wear.capitalize()] = rows.all(sensors)
        if len(sensors) == 2:
            figure = [rows.recall, rows.sensitivity, rows.specificity, rows.right, rows.apart]
    return Evaluation(
        tables=tables,
        claims=claims,
        notes=[
            f"{len(files)} trials. Classes of the bends: rounded from 60 % of the person's largest flexion, neutral up to 45 %."
        ],
        figures={"motion": draw_people(figure)},
    )


class _Rows:
    """The measures of one wear."""

    def __init__(self, *, two: bool) -> None:
        self.two = two
        self.rmse = {
            n: Ratio(f"{n.removesuffix('_deg').replace('_', ' ')}, RMSE", "samples", "deg", at_most=True, root=True)
            for n in ("flexion_deg", "sacrum_inclination_deg", "upper_lumbar_inclination_deg")
        }
        self.recall = Ratio("bends found", "bends")
        self.once = Ratio("bends held under 1.2 s found", "bends")
        self.false = Ratio("false bends (no lean of 25 deg there)", "h", unit="/h", at_most=True, digits=1)
        name = "depth of the bends said, RMSE"
        self.depth = Ratio(f"{name}, from 3 s after the gap", "bends", "deg", at_most=True, root=True, digits=1)
        self.early = Ratio(f"{name}, begun within 3 s of it", "bends", "deg", at_most=True, root=True, digits=1)
        self.sensitivity = Ratio("rounded bends said rounded", "rounded bends")
        self.specificity = Ratio("neutral bends found and not said rounded", "neutral bends found")
        self.right = Ratio("rounded or neutral said: right", "verdicts")
        self.unknown = Ratio("verdict unknown", "bends found", at_most=True)
        name = "peak flexion in % of range" if two else "peak inclination"
        self.apart = Auc(f"rounded against neutral by {name}, AUC", "bends")
        self.rises = Ratio("chair rises found", "rises")
        self.sits = Ratio("sit-downs found", "sit-downs")

    def all(self, sensors: Sequence[Placement]) -> list[Measure]:
        """Rows in the order of the table."""
        angles = [m for n, m in self.rmse.items() if self.two or n.startswith(sensors[0].value)]
        verdicts: list[Measure] = [self.sensitivity, self.specificity] if self.two else []
        verdicts += [self.right] if self.right.people else []
        rest: list[Measure] = [self.unknown, self.apart, self.rises, self.sits]
        return [*angles, self.recall, self.once, self.false, self.depth, self.early, *verdicts, *rest]

    def add(self, one: Trial[Truth], said: Said, claims: list[Claim]) -> None:
        """Score one trial."""
        truth, who = one.truth, one.person
        self._angles(one, said)
        bends = [e for e in truth.events if e["type"] == "bend"]
        want = [
            e
            for e in bends
            if e["cls"] in ("rounded", "neutral")
            and e["shape"] not in NOT_BENDS
            and e["trunk_peak_deg"] >= BENDS_FROM_DEG
        ]
        got = said.of("bend", from_s=one.from_s)
        pairs = match(want, got)
        false = [e for k, e in enumerate(got) if k not in pairs.values() and _leant_deg(truth, e) < EXCUSED_DEG]
        self.false.add(who, float(len(false)), len(truth.sound) / RATE_HZ / 3600.0)
        for e in got:
            error_deg = e["peak_deg"] - _leant_deg(truth, e, e["angle"])
            if np.isfinite(error_deg):
                (self.early if e["start_s"] < one.from_s + SETTLE_S else self.depth).add(who, error_deg**2)
        for i, e in enumerate(want):
            self.recall.add(who, float(i in pairs))
            if e["t1"] - e["t0"] < 1.2:
                self.once.add(who, float(i in pairs))
            self.apart.add(who, _peak(said, e["t0"], e["t1"], two=self.two), true=e["cls"] == "rounded")
            verdict = got[pairs[i]]["verdict"] if i in pairs else None
            if e["cls"] == "rounded":
                self.sensitivity.add(who, float(verdict == "rounded"))
            elif verdict is not None:
                self.specificity.add(who, float(verdict != "rounded"))
            if verdict is not None:
                self.unknown.add(who, float(verdict == "unknown"))
            if verdict in ("rounded", "neutral"):
                self.right.add(who, float(verdict == e["cls"]))
            if verdict is not None and self.two:
                claims.append(Claim("bend", got[pairs[i]]["confidence"], verdict == e["cls"]))
        if self.two:
            claims += [Claim("bend", e["confidence"], right=False) for e in false]
        for measure, kind in ((self.rises, "sit_to_stand"), (self.sits, "stand_to_sit")):
            chairs = [e for e in truth.events if e["type"] == kind]
            hit = match(chairs, said.of(kind, from_s=one.from_s))
            for i in range(len(chairs)):
                measure.add(who, float(i in hit))

    def _angles(self, one: Trial[Truth], said: Said) -> None:
        row = np.round((said.angles["time_s"] - one.truth.offset_s) * RATE_HZ).astype(np.int64)
        inside = (row >= 0) & (row < len(one.truth.sound)) & (said.angles["trusted"] > 0)
        inside[inside] &= one.truth.sound[row[inside]]
        for name, measure in self.rmse.items():
            error = said.angles[name][inside] - one.truth.angles[name][row[inside]]
            error = error[~np.isnan(error)]
            measure.add(one.person, float((error**2).sum()), float(len(error)))


def _leant_deg(truth: Truth, event: Mapping[str, Any], angle: str = "upper_lumbar_inclination_deg") -> float:
    """How far a segment really leant during a said event, deg; -inf where the truth does not cover it."""
    a, b = (round((event[k] - truth.offset_s) * RATE_HZ) for k in ("start_s", "end_s"))
    return float(truth.angles[angle][max(a, 0) : max(b, 0)].max(initial=-np.inf))


def _peak(said: Said, from_s: float, to_s: float, *, two: bool) -> float:
    """Highest flexion in % of range, or inclination, between two moments; NaN where nothing was measured."""
    time_s = said.angles["time_s"]
    inside = (time_s >= from_s) & (time_s < to_s) & (said.angles["trusted"] > 0)
    if two:
        values = 100.0 * said.angles["flexion_deg"][inside] / said.calibration.rom_deg
    else:
        (placement,) = said.calibration.sensors
        values = said.angles[f"{placement.value}_inclination_deg"][inside]
    values = values[~np.isnan(values)]
    return float(values.max()) if len(values) else float("nan")


DATASET = Dataset(
    name="motion",
    what="recorded human motion (CMU motion capture, 10 people) under two virtual sensors",
    truth="angles to 0.5-1 deg of the markers; flexion is 0.8 x the pelvis-to-thorax angle in truth and signal alike, so a figure "
    "from both sensors is an upper bound; no skin moves; classes of the bends follow from the same angle",
    licence="CMU mocap: free for research and commercial projects, with the acknowledgement",
    simulated=True,
    place="motion",
    pattern="*.npz",
    evaluate=evaluate,
)
