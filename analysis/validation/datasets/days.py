"""Labelled days: hours of stitched motion under two virtual sensors, with everything labelled.

Each day is replayed with both sensors and with each alone. The mean over the days must meet the floors of `tables.FLOORS`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from analysis.validation.alerts import AlertScore, expected, score_alerts, score_said, whole_breaks
from analysis.validation.claims import claims
from analysis.validation.evaluation import WEARS, Dataset, Evaluation, Progress
from analysis.validation.figures import draw_alert_day, draw_reliability
from analysis.validation.measures import Claim, Measure, Ratio, reliability
from analysis.validation.score import (
    EDGE_PCT,
    LabelledDay,
    Score,
    difference_rmse_deg,
    f1,
    flexed_counts,
    read_day,
    score_day,
)
from analysis.validation.tables import COLUMNS, LEAST_FLEXED_MIN, failures, page
from posture.outputs import Staging
from posture.replay import ReplayRequest, prepare, records, run, write_records
from posture.types import Bool, Context, Float, Placement

TUNED = frozenset(f"day_{seed}" for seed in range(21, 29))
"""Days that thresholds were chosen on."""


def replay_day(stem: Path, sensors: tuple[Placement, ...], *, smooth: bool = False) -> LabelledDay:
    """One labelled day through the pipeline with these sensors; `stem` is its path without .parquet."""
    recording, poses = (stem.with_name(stem.name + end) for end in (".parquet", ".poses.json"))
    prepared = prepare(ReplayRequest(recording, poses=poses, sensors=sensors, smooth=smooth))
    result = run(prepared, prepared.recording.batches())
    with tempfile.TemporaryDirectory() as folder:
        with Staging(Path(folder)) as staging:
            write_records(staging.path, records(prepared, result))
            staging.commit()
        return read_day(Path(folder), stem)


def evaluate(files: Sequence[Path], progress: Progress, *, smooth: bool = False) -> Evaluation:
    """Score the days, one after the other, in each wear.

    files : the `.poses.json` of days that state a range. smooth : as `posture replay --smooth`.
    """
    stems = [stem_of(f) for f in files]
    scores: dict[str, dict[str, Score]] = {wear: {} for wear in WEARS}
    alerts: dict[str, dict[str, AlertScore]] = {wear: {} for wear in WEARS}
    name = "flexed sitting F1 of the best cut on the true inclination"
    best = {wear: Ratio(name, "days", digits=3) for wear in WEARS}
    bouts = {wear: Ratio(f"{name}, another cut each bout", "days", digits=3) for wear in WEARS}
    whole: dict[str, dict[str, AlertScore]] = {wear: {} for wear in WEARS}
    perfect = Ratio(f"alerts of the policy on the truth{_WHOLE}: within 3 min of an expected one", "raised")
    exact = Ratio("flexion RMSE of the difference of the true inclinations", "days", "deg", at_most=True)
    chairs = {wear: Ratio("chair rises and sit-downs, all days as one", "events") for wear in WEARS}
    pooled = {wear: Ratio("flexed sitting F1, all days as one", "s", digits=3) for wear in WEARS}
    said: dict[str, list[Claim]] = {wear: [] for wear in WEARS}
    worst: tuple[float, str, LabelledDay] | None = None
    for k, stem in enumerate(stems):
        for j, (wear, sensors) in enumerate(WEARS.items()):
            progress((k + j / len(WEARS)) / len(stems))
            day = replay_day(stem, sensors, smooth=smooth)
            scores[wear][stem.name] = score_day(day)
            chairs[wear].add(stem.name, scores[wear][stem.name].chair_found, scores[wear][stem.name].chair_n)
            hit, false, missed = flexed_counts(day)
            pooled[wear].add(stem.name, 2.0 * hit, 2.0 * hit + false + missed)
            raised = alerts[wear][stem.name] = score_alerts(day)
            if len(sensors) == 1 and scores[wear][stem.name].flexed_min >= LEAST_FLEXED_MIN:
                best[wear].add(stem.name, best_cut_f1(day, sensors[0]))
                bouts[wear].add(stem.name, best_cut_f1(day, sensors[0], each_bout=True))
            kind = "" if len(sensors) == 2 else f", {wear}"
            said[wear] += [replace(c, kind=c.kind + kind) for c in claims(day)]
            whole[wear][stem.name] = score_alerts(whole_breaks(day))
            if len(sensors) == 2:
                exact.add(stem.name, difference_rmse_deg(day))
                best_said = score_said(day, expected(whole_breaks(day)).alerts_s)
                perfect.add(stem.name, best_said.hit, best_said.said)
                off = float(raised.expected - raised.found + raised.said - raised.hit)
                if worst is None or off > worst[0]:
                    worst = off, stem.name, day
    tables: dict[str, Sequence[Measure]] = {}
    for wear in WEARS:
        ceiling = [best[wear], bouts[wear]] if best[wear].people else []
        tables[wear.capitalize()] = [
            *_means(scores[wear]),
            chairs[wear],
            pooled[wear],
            *ceiling,
            *_alerts(alerts[wear]),
            *_alerts(whole[wear], _WHOLE)[:2],
        ]
    tables["Both sensors"] = [*tables["Both sensors"], exact, perfect]
    figures = {"days_reliability": draw_reliability(reliability(said["both sensors"]))} if stems else {}
    if worst is not None:
        _, name, day = worst
        figures["days_alerts"] = draw_alert_day(name, day, expected(day))
    both = list(scores["both sensors"].values())
    return Evaluation(
        tables=tables,
        claims=[c for mine in said.values() for c in mine],
        notes=[f"{len(stems)} days, {sum(s.hours for s in both):.0f} h."],
        figures=figures,
        text=f"<details><summary>Every day</summary>\n\n{page(scores)}\n\n</details>",
        failures=failures(both),
    )


def is_day(poses: Path) -> bool:
    """Whether a day with calibration poses and truth belongs to this file."""
    stated = json.loads(poses.read_text(encoding="utf-8"))
    truth = stem_of(poses).with_name(stem_of(poses).name + ".truth.parquet")
    return bool(stated.get("poses")) and "calibration_end_s" in stated and truth.is_file()


def stem_of(poses: Path) -> Path:
    """Path of a day without its endings."""
    return poses.with_name(poses.name.removesuffix(".poses.json"))


def _means(days: dict[str, Score]) -> list[Measure]:
    """The figures of the day table as means over days; short flexed sitting does not count."""
    out: list[Measure] = []
    for name, (title, digits) in COLUMNS.items():
        unit = "deg" if name.endswith("_deg") else "/h" if name.endswith("_per_h") else ""
        title = title.removesuffix(", deg").removesuffix("/h")
        mean = Ratio(title, "days", unit, at_most=bool(unit), digits=digits)
        for day, score in days.items():
            value = getattr(score, name)
            if not np.isnan(value) and (name != "flexed_f1" or score.flexed_min >= LEAST_FLEXED_MIN):
                mean.add(day, value)
        if mean.people:
            out.append(mean)
    return out


def best_cut_f1(day: LabelledDay, placement: Placement, *, each_bout: bool = False) -> float:
    """F1 of flexed sitting by the best single cut on a segment's true inclination, over the truly seated seconds.

    What one sensor with a perfect angle, context and cut would reach. The sacrum falls in a slump, the upper lumbar spine rises.
    each_bout : the best cut of every stay on a seat instead, as if the seat were known each time.
    """
    labels, rows = day.labels, day.rows
    pct = 100.0 * labels.flexion_deg[rows] / day.rom_deg
    scored = (labels.context[rows] == Context.SITTING) & (np.abs(pct - 60.0) >= EDGE_PCT)
    lean = -labels.sacrum_deg if placement is Placement.SACRUM else labels.upper_deg
    lean, flexed, second = lean[rows][scored], pct[scored] >= 60.0, rows[scored]
    edges = np.flatnonzero(np.diff(second) > STAY_APART_S) + 1 if each_bout else np.array([], dtype=np.int64)
    counts = [_best_cut(x, y) for x, y in zip(np.split(lean, edges), np.split(flexed, edges), strict=True)]
    hit, false, missed = (sum(c[k] for c in counts) for k in range(3))
    return f1(hit, false, missed) if hit else 0.0


STAY_APART_S = 60
"""s off the seat that part two stays; ours."""


def _best_cut(lean: Float, flexed: Bool) -> tuple[int, int, int]:
    """Hits, false and missed seconds of the cut with the best F1; without a flexed second nothing is said."""
    best, counts = 0.0, (0, 0, int(flexed.sum()))
    for cut in np.arange(-40.0, 60.0, 0.5):
        said = lean >= cut
        mine = int((said & flexed).sum()), int((said & ~flexed).sum()), int((~said & flexed).sum())
        if mine[0] and (value := f1(*mine)) > best:
            best, counts = value, mine
    return counts


_WHOLE = ", breaks whole"
"""Of figures against the policy on the truth in which what no posture names does not cut an upright stretch (`whole_breaks`)."""


def _alerts(days: dict[str, AlertScore], against: str = "") -> list[Measure]:
    found = Ratio(f"sitting alerts expected{against}: raised within 3 min", "expected")
    precise = Ratio(f"sitting alerts raised: within 3 min of an expected one{against}", "raised")
    seated = Ratio("sitting alerts raised while not sitting", "raised", at_most=True)
    for day, a in days.items():
        found.add(day, a.found, a.expected)
        precise.add(day, a.hit, a.said)
        seated.add(day, a.not_sitting, a.said)
    return [found, precise, seated]


DATASET = Dataset(
    name="days",
    what="hours of stitched motion (recorded and parametric) under two virtual sensors, everything labelled",
    truth="exact by construction; flexion is 0.8 x the pelvis-to-thorax angle in truth and signal alike; desk sitting, floor "
    "transitions, lunges and off-load control are parametric; all days draw on the same ten people's motion",
    licence="made from CMU mocap: free, with the acknowledgement",
    simulated=True,
    place="days",
    pattern="*.poses.json",
    evaluate=evaluate,
    smoothed=partial(evaluate, smooth=True),
    tuned=TUNED,
    fits=is_day,
    over="days",
)
