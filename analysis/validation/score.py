"""What a replay said against what the labels say, on one labelled day.

A labelled day is a sample file with `STEM.truth.parquet` (time_s, context, angles), `STEM.events.json` and `STEM.poses.json`
(poses, `calibration_end_s`, `rom_deg`). Scoring starts after the calibration routine. Events are matched one to one by overlap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.inputs import read_epochs
from posture.arrow_files import reading
from posture.types import Bool, Context, EpochBlock, Float, Int, Int8, Verdict

Event = Mapping[str, Any]
LABELS = {"standing": Context.STANDING, "walking": Context.WALKING, "sitting": Context.SITTING, "lying": Context.LYING}
PURE_SHARE = 0.9
"""Share of a second that one label must fill to be scored."""
LEAST_SECONDS = 20
"""s of a label that a day must have for its recall to count."""
EDGE_PCT = 3.0
"""% of range; flexed sitting this close to the 60 % cut is not scored: the truth itself is not that sure."""
NOT_BENDS = ("jump", "sit")
BENDS_FROM_DEG = 30.0
"""deg of trunk lean from which a labelled bend is to be found."""
EXCUSED_DEG = 25.0
"""deg; a said bend on a labelled lean of at least this much is not false."""
OVERLAP_MIN, MIDPOINT_S, STRETCH, STRETCH_S = 0.2, 1.5, 3.0, 4.0
"""Two spans match from this share of overlap, or this near in the middle; not if the said one is stretched far over the true."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Truth per second, each (m,), seconds 0, 1, ...; NaN and code -1 where the truth has nothing to say."""

    context: Int8
    pure: Bool
    sacrum_deg: Float
    upper_deg: Float
    flexion_deg: Float


@dataclass(frozen=True, slots=True)
class Score:
    """One day. Angles deg RMSE, shares 0-1, rates per hour; NaN where the day has nothing to score."""

    hours: float
    flexion_rmse_deg: float
    sacrum_rmse_deg: float
    upper_rmse_deg: float
    context_balanced: float
    flexed_f1: float
    flexed_min: float
    bend_recall: float
    bend_n: int
    bend_false_per_h: float
    rounded_f1: float
    right_when_said: float
    verdict_unknown: float
    floor_recall: float
    floor_n: int
    floor_verdict: float
    floor_false_per_h: float
    sit_to_stand: float
    stand_to_sit: float
    chair_n: int
    chair_found: int
    chair_false_per_h: float


@dataclass(frozen=True, slots=True)
class LabelledDay:
    """What is known of a day and what a replay said of it; events, alerts and rows (seconds) from the end of the calibration on."""

    labels: Labels
    truth: Sequence[Event]
    start_s: float
    rom_deg: float
    epochs: EpochBlock
    rows: Int
    said: Sequence[Event]
    alerts: Sequence[Event]

    def at(self, values: NDArray[Any]) -> NDArray[Any]:
        """A column of the epochs at `rows`."""
        return np.asarray(values[self.rows - int(self.epochs.start_s[0])])


def read_day(folder: Path, stem: Path) -> LabelledDay:
    """What `posture replay --out folder` said of the labelled day `stem`, and its labels."""
    meta = json.loads(stem.with_name(stem.name + ".poses.json").read_text())
    return labelled_day(
        read_epochs(folder / "epochs.parquet"),
        json.loads((folder / "events.json").read_text()),
        read_labels(stem.with_name(stem.name + ".truth.parquet")),
        json.loads(stem.with_name(stem.name + ".events.json").read_text()),
        alerts=json.loads((folder / "alerts.json").read_text()),
        start_s=float(meta["calibration_end_s"]),
        rom_deg=float(meta["rom_deg"]),
    )


def labelled_day(
    epochs: EpochBlock,
    said: Sequence[Event],
    labels: Labels,
    truth: Sequence[Event],
    *,
    alerts: Sequence[Event] = (),
    start_s: float,
    rom_deg: float,
) -> LabelledDay:
    """What was said against labels and true events, from `start_s` on; `rom_deg` is the wearer's own range."""
    second = epochs.start_s.astype(np.int64)
    return LabelledDay(
        labels=labels,
        truth=truth,
        start_s=start_s,
        rom_deg=rom_deg,
        epochs=epochs,
        rows=second[(second >= start_s) & (second < len(labels.pure))],
        said=[e for e in said if e["start_s"] >= start_s],
        alerts=[a for a in alerts if a["about_s"] >= start_s],
    )


def score_day(day: LabelledDay) -> Score:
    """Score one day."""
    truth, said, hours = day.truth, day.said, len(day.rows) / 3600.0
    flexion, sacrum, upper = _angles(day)
    hit, false, missed = flexed_counts(day)
    bend_recall, bend_n, bend_false, rounded_f1, right, unknown = _bends(truth, said, hours)
    floor_recall, floor_n, floor_verdict, floor_false = _floor(truth, said, hours)
    rise, sit, chair_n, chair_found, chair_false = _chairs(truth, said, hours)
    return Score(
        hours=hours,
        flexion_rmse_deg=flexion,
        sacrum_rmse_deg=sacrum,
        upper_rmse_deg=upper,
        context_balanced=_context(day),
        flexed_f1=f1(hit, false, missed),
        flexed_min=(hit + missed) / 60.0,
        bend_recall=bend_recall,
        bend_n=bend_n,
        bend_false_per_h=bend_false,
        rounded_f1=rounded_f1,
        right_when_said=right,
        verdict_unknown=unknown,
        floor_recall=floor_recall,
        floor_n=floor_n,
        floor_verdict=floor_verdict,
        floor_false_per_h=floor_false,
        sit_to_stand=rise,
        stand_to_sit=sit,
        chair_n=chair_n,
        chair_found=chair_found,
        chair_false_per_h=chair_false,
    )


def read_labels(path: Path) -> Labels:
    """Truth at the sensor's rate -> one row per second: the main label, whether it fills the second, and the median angles."""
    import pyarrow.parquet as pq

    with reading(path) as file:
        table = pq.read_table(file)
    encoded = table["context"].cast("string").combine_chunks().dictionary_encode()
    columns = (table[n] for n in ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg"))
    return labels_of(
        np.asarray(table["time_s"]),
        np.asarray(encoded.indices),
        encoded.dictionary.to_pylist(),
        [np.asarray(c, dtype=np.float64) for c in columns],
    )


def labels_of(time_s: Float, index: NDArray[Any], names: Sequence[str], angles_deg: Sequence[Float]) -> Labels:
    """Samples (n,) -> seconds. index : into the names of contexts. angles_deg : sacrum, upper lumbar, flexion."""
    second = np.floor(time_s + 1e-6).astype(np.int64)
    m = int(second.max()) + 1
    counts = np.zeros((m, len(names)))
    np.add.at(counts, (second, index), 1)
    main = counts.argmax(axis=1)
    of_name = np.array([LABELS.get(n, -1) for n in names])
    edges = np.flatnonzero(np.diff(second, prepend=-1, append=m))
    medians = [np.array([np.median(values[a:b]) for a, b in pairwise(edges)]) for values in angles_deg]
    pure = counts.max(axis=1) > PURE_SHARE * counts.sum(axis=1)
    return Labels(of_name[main].astype(np.int8), pure, *medians)


def _angles(day: LabelledDay) -> tuple[float, float, float]:
    """RMSE of flexion, sacrum and upper lumbar over upright and seated seconds with data."""
    labels, epochs = day.labels, day.epochs
    flexion, sacrum, upper = (
        _rmse(day, day.at(said), true)
        for said, true in (
            (epochs.flexion_deg, labels.flexion_deg),
            (epochs.sacrum_inclination_deg, labels.sacrum_deg),
            (epochs.upper_lumbar_inclination_deg, labels.upper_deg),
        )
    )
    return flexion, sacrum, upper


def difference_rmse_deg(day: LabelledDay) -> float:
    """By how much the difference of the true inclinations misses the true flexion, deg: what exact angles would be off.

    The product's flexion is that difference; the truth is the turn between the segments in three dimensions, which is another
    angle for somebody who is turned or leans to the side.
    """
    labels = day.labels
    return _rmse(day, (labels.upper_deg - labels.sacrum_deg)[day.rows], labels.flexion_deg)


def _rmse(day: LabelledDay, said: Float, true: Float) -> float:
    """RMSE of a value per row over upright and seated seconds with data; `true` is per labelled second."""
    scored = np.isin(day.labels.context[day.rows], (Context.STANDING, Context.WALKING, Context.SITTING))
    scored &= day.at(day.epochs.valid_fraction) >= 0.5
    error = (said - true[day.rows])[scored]
    error = error[~np.isnan(error)]
    return float(np.sqrt((error**2).mean())) if len(error) else float("nan")


def _context(day: LabelledDay) -> float:
    """Mean recall over the four contexts; a second that is said to be anything else is wrong."""
    scored = day.labels.pure[day.rows] & (day.at(day.epochs.valid_fraction) >= 0.5)
    said = day.at(day.epochs.context)
    recalls = []
    for code in LABELS.values():
        mine = scored & (day.labels.context[day.rows] == code)
        if mine.sum() >= LEAST_SECONDS:
            recalls.append(float((said[mine] == code).mean()))
    return float(np.mean(recalls)) if recalls else float("nan")


def flexed_counts(day: LabelledDay) -> tuple[int, int, int]:
    """Seconds of flexed sitting that were said, said falsely, and missed; `flexed` null counts as not said."""
    epochs = day.epochs
    pct = 100.0 * day.labels.flexion_deg[day.rows] / day.rom_deg
    seated = day.labels.context[day.rows] == Context.SITTING
    scored = (day.at(epochs.valid_fraction) >= 0.5) & ~(seated & (np.abs(pct - 60.0) < EDGE_PCT))
    true = seated & (pct >= 60.0) & scored
    said = (day.at(epochs.flexed) == 1) & (day.at(epochs.context) == Context.SITTING) & scored
    return int((true & said).sum()), int((~true & said).sum()), int((true & ~said).sum())


def f1(hit: int, false: int, missed: int) -> float:
    """F1; NaN where there is neither truth nor claim."""
    total = 2 * hit + false + missed
    return 2 * hit / total if total else float("nan")


def span(event: Event) -> tuple[float, float]:
    """Start and end of a labelled (t0, t1) or a said (start_s, end_s) event, s."""
    return (event["t0"], event["t1"]) if "t0" in event else (event["start_s"], event["end_s"])


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Intersection over union."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0])) / max(1e-9, max(a[1], b[1]) - min(a[0], b[0]))


def _stretched(said: tuple[float, float], true: tuple[float, float]) -> bool:
    return said[1] - said[0] > STRETCH * (true[1] - true[0]) + STRETCH_S


def match(
    truth: Sequence[Event], said: Sequence[Event], fits: Callable[[Event, Event], bool] | None = None
) -> dict[int, int]:
    """One-to-one pairs (index in truth -> index in said), the best overlap first."""
    near = []
    for i, t in enumerate(truth):
        for k, s in enumerate(said):
            a, b = span(t), span(s)
            if _stretched(b, a) or (fits is not None and not fits(t, s)):
                continue
            share = overlap(a, b)
            if share >= OVERLAP_MIN or abs(sum(a) - sum(b)) / 2 <= MIDPOINT_S:
                near.append((share, i, k))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, k in sorted(near, reverse=True):
        if i not in pairs and k not in taken:
            pairs[i] = k
            taken.add(k)
    return pairs


def excused(said: Event, events: Sequence[Event]) -> bool:
    """Whether a said event lies on one of these and is not stretched far over it."""
    b = span(said)
    return any(overlap(span(e), b) > 0 and not _stretched(b, span(e)) for e in events)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


@dataclass(frozen=True, slots=True)
class Matched:
    """Labelled events to be found, said ones, their pairs (index in want -> index in got), and the said ones that are false."""

    want: list[Event]
    got: list[Event]
    pairs: dict[int, int]
    false: list[Event]


def match_bends(truth: Sequence[Event], said: Sequence[Event]) -> Matched:
    """A said bend is false unless it is paired or lies on another labelled lean, an exercise or a way to the floor."""
    labelled = [e for e in truth if e["type"] == "bend"]
    want = [
        e
        for e in labelled
        if e["cls"] in ("rounded", "neutral") and e["shape"] not in NOT_BENDS and e["trunk_peak_deg"] >= BENDS_FROM_DEG
    ]
    got = [e for e in said if e["kind"] == "bend"]
    pairs = match(want, got)
    others = [e for e in truth if e["type"] in ("floor_down", "floor_up", "dead_bug", "curl_ball", "exercise")]
    others += [e for e in labelled if e["shape"] != "sit" and e["trunk_peak_deg"] >= EXCUSED_DEG]
    false = [e for k, e in enumerate(got) if k not in pairs.values() and not excused(e, others)]
    return Matched(want, got, pairs, false)


def _bends(
    truth: Sequence[Event], said: Sequence[Event], hours: float
) -> tuple[float, int, float, float, float, float]:
    """Recall, number, false per hour, F1 of rounded, right when rounded or neutral is said, share of unknown."""
    m = match_bends(truth, said)
    judged = [(m.want[i]["cls"] == "rounded", m.got[k]["verdict"]) for i, k in m.pairs.items()]
    rounded_n = sum(e["cls"] == "rounded" for e in m.want)
    hit = sum(true and verdict == Verdict.ROUNDED for true, verdict in judged)
    wrong = sum(not true and verdict == Verdict.ROUNDED for true, verdict in judged)
    firm = [(t, v) for t, v in judged if v in (Verdict.ROUNDED, Verdict.NEUTRAL)]
    right = _share(sum(t == (v == Verdict.ROUNDED) for t, v in firm), len(firm))
    unknown = _share(sum(v == Verdict.UNKNOWN for _, v in judged), len(judged))
    return (
        _share(len(m.pairs), len(m.want)),
        len(m.want),
        len(m.false) / hours,
        f1(hit, wrong, rounded_n - hit),
        right,
        unknown,
    )


def match_floor(truth: Sequence[Event], said: Sequence[Event]) -> Matched:
    """A said floor transition must go the labelled way; unpaired ones on mat exercises are not false."""
    want = [e for e in truth if e["type"] in ("floor_down", "floor_up")]
    got = [e for e in said if e["kind"] == "floor_transition"]
    pairs = match(want, got, lambda t, s: s["direction"] == t["type"].removeprefix("floor_"))
    mat = want + [e for e in truth if e["type"] in ("dead_bug", "curl_ball")]
    false = [e for k, e in enumerate(got) if k not in pairs.values() and not excused(e, mat)]
    return Matched(want, got, pairs, false)


def _floor(truth: Sequence[Event], said: Sequence[Event], hours: float) -> tuple[float, int, float, float]:
    """Recall, number, share of right verdicts among those found, false per hour."""
    m = match_floor(truth, said)
    right = sum(m.got[k]["verdict"] == m.want[i]["cls"] for i, k in m.pairs.items())
    return _share(len(m.pairs), len(m.want)), len(m.want), _share(right, len(m.pairs)), len(m.false) / hours


def _chairs(truth: Sequence[Event], said: Sequence[Event], hours: float) -> tuple[float, float, int, int, float]:
    """Recall of rises and of sit-downs, how many of both there were and were found, and false ones of either per hour."""
    recall, n, found, false = [], 0, 0, 0
    for kind in ("sit_to_stand", "stand_to_sit"):
        want, got = [e for e in truth if e["type"] == kind], [e for e in said if e["kind"] == kind]
        pairs = match(want, got)
        recall.append(_share(len(pairs), len(want)))
        n, found, false = n + len(want), found + len(pairs), false + len(got) - len(pairs)
    return recall[0], recall[1], n, found, false / hours
