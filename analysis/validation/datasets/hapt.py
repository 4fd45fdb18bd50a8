"""HAPT: a smartphone on the front left of the belt; posture, walking and postural transitions labelled per sample.

Mounting: the data's own reference frame, which rests on its labels (standing gravity, the axis of sit-to-stand), declares where
forward is; upright and the gait come from the recording's first labelled standing and walking, which are not scored. Half of
the people wear it turned by up to 75 deg out of the sagittal plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.validation.evaluation import Dataset, Evaluation, Progress, each, part_of
from analysis.validation.figures import draw_people
from analysis.validation.measures import Claim, Measure, Ratio
from analysis.validation.score import match
from analysis.validation.trials import (
    Said,
    Seconds,
    Trial,
    block,
    columns,
    context_of,
    first_run,
    frame,
    manifest,
    outside,
    per_second,
    replay,
    runs,
    signals,
)
from posture.types import Context, Placement

RATE_HZ = 50.0
POSTURES = {
    "standing": Context.STANDING,
    "sitting": Context.SITTING,
    "lying": Context.LYING,
    "walking": Context.WALKING,
}
STAIRS = ("stairs_up", "stairs_down")
LEAST_S = 10
"""s of a label that a recording must have for its recall to count in the balanced accuracy."""
TRANSITIONS = {
    "sit_to_stand": (("sit_to_stand",), None),
    "stand_to_sit": (("stand_to_sit",), None),
    "sit_to_lie": (("sit_to_lie", "floor_transition"), "down"),
    "lie_to_sit": (("lie_to_sit", "floor_transition"), "up"),
    "stand_to_lie": (("floor_transition", "sit_to_lie"), "down"),
    "lie_to_stand": (("floor_transition", "lie_to_sit"), "up"),
}
"""Label -> the kinds of event that are right for it, and their direction. Beds and floors are not told apart: either will do."""
CALIBRATIONS = {"Calibrated by standing and walking": False, "Calibrated by standing, walking and one sitting": True}
CHAIR, BED = ("sit_to_stand", "stand_to_sit"), ("sit_to_lie", "lie_to_sit", "floor_transition")


@dataclass(frozen=True, slots=True)
class Truth:
    """Labels per second, and (label, from_s, to_s) of every run."""

    seconds: Seconds
    runs: list[tuple[str, float, float]]


def trials(files: Sequence[Path], *, seated: bool = False) -> Iterator[Trial[Truth]]:
    """One trial per recording that has a reference frame; recordings without postures have none.

    seated : the first labelled sitting is a calibration pose too, as the tall and the slumped one at once.
    """
    for path in files:
        row = manifest(path.parent)[path.name]
        turn = frame(row)
        if turn is None:
            continue
        data = columns(path)
        acc, gyr = signals(data, turn)
        time_s, label = data["time"], data["label"]
        spans = runs(time_s, label)
        poses = {
            "stand": first_run(spans, "standing", trim_s=1.0, most_s=10.0),
            "walk": first_run(spans, "walking", trim_s=1.0, most_s=15.0),
        }
        if seated:
            sitting = first_run(spans, "sitting", trim_s=1.0, most_s=15.0)
            poses |= {"sit_tall": sitting, "slump": sitting}
        truth = Truth(per_second(time_s, label), spans)
        sensor = block(Placement.SACRUM, time_s, acc, gyr)
        yield Trial(row["subject"], path.stem, (sensor,), RATE_HZ, {k: v for k, v in poses.items() if v}, truth)


def evaluate(files: Sequence[Path], progress: Progress) -> Evaluation:
    """Context and transitions, one sensor worn as the sacrum one."""
    tables: dict[str, list[Measure]] = {}
    figures: dict[str, Figure] = {}
    claims: list[Claim] = []
    run = refused = 0
    for k, (name, seated) in enumerate(CALIBRATIONS.items()):
        rows = _Rows()
        run = refused = 0
        for path in each(files, part_of(progress, k, len(CALIBRATIONS))):
            for trial in trials([path], seated=seated):
                said = replay(trial)
                refused += said is None
                if said is not None:
                    run += 1
                    mine: list[Claim] = []
                    rows.add(trial, said, mine)
                    claims += mine if seated else [replace(c, kind=f"{c.kind}, no seated pose") for c in mine]
        tables[name] = rows.all()
        if seated:
            figures["hapt"] = draw_people(rows.shown())
    left = len(files) - run - refused
    return Evaluation(
        tables=tables,
        claims=claims,
        notes=[f"{run} recordings; {left} without a reference frame left out, {refused} refused."],
        figures=figures,
    )


class _Rows:
    """The measures under one calibration."""

    def __init__(self) -> None:
        self.context = {name: Ratio(f"{name}, recall", "s") for name in POSTURES}
        self.stairs = Ratio("stairs said walking", "s")
        self.first = Ratio("standing at the start (the calibration) mostly said standing", "recordings")
        self.balanced = Ratio("context, balanced accuracy (mean over recordings)", "recordings")
        self.unsaid = Ratio("no posture said (transition, floor, unknown)", "s", at_most=True)
        self.found = {name: Ratio(f"{name.replace('_', ' ')}, recall", "transitions") for name in TRANSITIONS}
        self.false_chair = Ratio("false chair events", "h", unit="/h", at_most=True, digits=1)
        self.false_bed = Ratio("false floor or bed events", "h", unit="/h", at_most=True, digits=1)
        self.false_bends = Ratio("bends said (nobody bent)", "h", unit="/h", at_most=True, digits=1)
        self.stair_bends = Ratio("of them while on stairs", "bends said", at_most=True)

    def all(self) -> list[Measure]:
        """Rows in the order of the table."""
        context = [self.balanced, *self.context.values(), self.stairs, self.unsaid, self.first]
        return [*context, *self.found.values(), self.false_chair, self.false_bed, self.false_bends, self.stair_bends]

    def shown(self) -> list[Measure]:
        """Rows of the figure."""
        return [self.balanced, *self.context.values(), self.stairs, *self.found.values()]

    def add(self, trial: Trial[Truth], said: Said, claims: list[Claim]) -> None:
        """Score one recording."""
        self._context(trial, said, claims)
        self._transitions(trial, said, claims)

    def _context(self, trial: Trial[Truth], said: Said, claims: list[Claim]) -> None:
        seconds = trial.truth.seconds
        code, confidence, known = context_of(said, seconds)
        scored = seconds.pure & known & outside(len(known), trial.poses)
        recalls = []
        for name, right in POSTURES.items():
            mine = scored & (seconds.label == name)
            if mine.any():
                self.context[name].add(trial.person, float((code[mine] == right).sum()), float(mine.sum()))
            if mine.sum() >= LEAST_S:
                recalls.append(float((code[mine] == right).mean()))
            for c, p in zip(code[mine], confidence[mine], strict=True):
                if c in POSTURES.values():
                    claims.append(Claim("context", float(p), bool(c == right)))
        if len(recalls) == len(POSTURES):
            self.balanced.add(trial.person, float(np.mean(recalls)))
        begun = next(((a, b) for name, a, b in trial.truth.runs if name == "standing"), None)
        if begun is not None:
            stood = code[int(begun[0]) + 1 : int(begun[1])]
            self.first.add(trial.person, float((stood == Context.STANDING).mean() > 0.5))
        climbing = scored & np.isin(seconds.label, STAIRS)
        self.stairs.add(trial.person, float((code[climbing] == Context.WALKING).sum()), float(climbing.sum()))
        posture = scored & np.isin(seconds.label, list(POSTURES))
        self.unsaid.add(
            trial.person, float((~np.isin(code[posture], list(POSTURES.values()))).sum()), float(posture.sum())
        )

    def _transitions(self, trial: Trial[Truth], said: Said, claims: list[Claim]) -> None:
        """Recall per label; false per labelled hour: what people did between the labelled parts is not known."""
        want: list[Mapping[str, Any]] = [
            {"label": name, "t0": a, "t1": b} for name, a, b in trial.truth.runs if name in TRANSITIONS
        ]
        got = said.of(*CHAIR, *BED)

        def fits(true: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
            kinds, direction = TRANSITIONS[str(true["label"])]
            return event["kind"] in kinds and (direction is None or event.get("direction", direction) == direction)

        pairs = match(want, got, fits)
        for i, true in enumerate(want):
            self.found[str(true["label"])].add(trial.person, float(i in pairs))
        labelled = [(a, b) for name, a, b in trial.truth.runs if name != "unlabelled"]
        stairs = [(a, b) for name, a, b in trial.truth.runs if name in STAIRS]
        hours = sum(b - a for a, b in labelled) / 3600.0
        hits = set(pairs.values())
        judged = [(e, k in hits) for k, e in enumerate(got) if _inside(e, labelled)]
        claims += [Claim("chair" if e["kind"] in CHAIR else "floor or bed", e["confidence"], hit) for e, hit in judged]
        for measure, kinds in ((self.false_chair, CHAIR), (self.false_bed, BED)):
            measure.add(trial.person, float(sum(e["kind"] in kinds and not hit for e, hit in judged)), hours)
        bends = [e for e in said.of("bend") if _inside(e, labelled)]
        self.false_bends.add(trial.person, float(len(bends)), hours)
        self.stair_bends.add(trial.person, float(sum(_inside(e, stairs) for e in bends)), float(len(bends)))


def _inside(event: Mapping[str, Any], windows: Sequence[tuple[float, float]]) -> bool:
    """Whether the middle of an event lies in one of the windows."""
    return any(a <= (event["start_s"] + event["end_s"]) / 2 < b for a, b in windows)


DATASET = Dataset(
    name="hapt",
    what="adults with a smartphone on the front left of the belt: posture, walking, stairs, postural transitions",
    truth="per-sample labels from video; the mounting that the adapter declares rests on these labels too; not a spine sensor",
    licence="UCI 341 (Reyes-Ortiz et al. 2016): to be treated as non-commercial, not shipped",
    simulated=False,
    place="real/hapt",
    pattern="hapt_*.parquet",
    evaluate=evaluate,
)
