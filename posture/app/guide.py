"""The guided calibration: what to do now, whether it was done, once more if not. Time is the data's; no clock, no terminal here.

`Guide.push` takes batches as they arrive and gives back what to tell the wearer. It keeps all samples of the routine (three
minutes), and at its end makes the calibration from the poses that were held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

import numpy as np

from posture.config import Config
from posture.signal import pose_checks
from posture.signal.calibrate import walk_anchor
from posture.signal.calibration import Calibration
from posture.signal.mounting import angle_deg, leans_deg
from posture.signal.pose_checks import BENDS, SEATED, STANDING
from posture.signal.raw_poses import RawPoses
from posture.signal.track import Track, sway_deg, track_of
from posture.types import ClockFit, Float, ImuBatch, ImuBlock, InputError, Placement, PostureError

ATTEMPTS = 3
"""How often a pose is asked for before the routine goes on with what there is; ours."""
_MARGIN_S = 0.5
"""Left out at each end of a held pose: the way into it and the relief after it; ours."""
_THERE_SHARE = 0.8
"""Share of a pose's samples that must have come; with fewer the pose is asked for again; ours."""
_SMOOTH_N = 10
"""Samples that are averaged for the lean that is shown: about 0.2 s."""
_LATE_S = 1.0
"""How long after a pose its last samples are waited for: a live frame is 0.1 s late, a burst of repeats 0.5 s."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. pose : its name in POSES.json. settle_s : countdown before it. needed : nothing works without it."""

    pose: str
    words: str
    hold_s: float
    settle_s: float = 5.0
    needed: bool = False


STAND = Step("stand", "Stand tall and still, arms hanging", 10.0, needed=True)
WALK = Step("walk", "Walk, about 20 steps; turning round is fine", 20.0, 4.0)
_SEATED = (
    Step("sit_tall", "Sit down on a chair and sit as tall as you can", 8.0, 8.0),
    Step("sit_usual", "Sit as you usually do", 8.0),
    Step("slump", "Slump as far as is comfortable", 8.0),
)
_RECLINE = Step("recline", "Lean back in your chair", 8.0)
_MOST = "Bend forward as far as is comfortable, and come back up"
_HINGE = "Bend forward from the hips with a flat back, half way, and come back up"
_ROUNDED = "Bend half way with a round back, and come back up"
_END = Step("stand_end", "Stand tall and still once more", 5.0)


def full(sensors: Iterable[Placement], *, end_range: bool) -> tuple[Step, ...]:
    """The poses of docs/calibration.md for these sensors. end_range : with the bends that go to the end of the range."""
    alone = set(sensors) == {Placement.SACRUM}
    bends = [("bend_max", _MOST), ("hinge", _HINGE), ("rounded", _ROUNDED)] if end_range else [("hinge", _HINGE)]
    repeats = [
        Step(pose, f"{words} ({k} of 3)", 6.0, 7.0 if k == 1 else 2.0) for pose, words in bends for k in (1, 2, 3)
    ]
    return (STAND, WALK, *_SEATED, *((_RECLINE,) if alone else ()), *repeats, _END)


REDON = (replace(STAND, hold_s=5.0), Step("walk", "Walk 10 steps", 8.0, 3.0, needed=True))
"""After putting the sensors on again."""


class Sign(Enum):
    """What a cue is: GO and STOP are moments to buzz at."""

    READY = "ready"
    GO = "go"
    LIVE = "live"
    STOP = "stop"
    GOOD = "good"
    AGAIN = "again"
    LEFT_OUT = "left out"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Cue:
    """Something to tell the wearer. left_s : of the countdown (READY) or of the pose (GO, LIVE)."""

    sign: Sign
    step: Step
    words: str = ""
    left_s: float = 0.0


@dataclass(slots=True)
class GuideState:
    """Where the routine is. begins_s : when the current pose does, session s; None before the first batch. told_s : the whole
    second of it that was last spoken of. poses : windows that were held well enough.
    """

    at: int = 0
    attempt: int = 1
    begins_s: float | None = None
    told_s: int | None = None
    going: bool = False
    ended: bool = False
    poses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


class Guide:
    """Batches in, cues out; `made` is the calibration once it says DONE, `raw_poses` what it was made from.

    rate_hz : nominal, per sensor that is worn; a block's segment says it better. base : for a quick calibration.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        rate_hz: Mapping[Placement, float],
        config: Config,
        *,
        base: Calibration | None = None,
        made_utc: datetime | None = None,
    ) -> None:
        self.steps, self.config, self.base, self.made_utc = tuple(steps), config, base, made_utc
        self.state = GuideState()
        self.made: Calibration | None = None
        self.raw_poses: RawPoses | None = None
        self._samples = {p: _Samples(p, rate) for p, rate in rate_hz.items()}

    def push(self, batch: ImuBatch) -> list[Cue]:
        """What these samples make worth saying.

        Raises
        ------
        InputError
            A pose without which nothing works was not held after `ATTEMPTS` times; the words say what was wrong with it.
        PostureError
            A sensor restarted meanwhile.
        """
        for samples in self._samples.values():
            samples.take(batch)
        state, now_s = self.state, batch.arrived_until_s
        if state.ended:
            return []
        if state.begins_s is None:
            if not all(s.count for s in self._samples.values()):
                return []  # the countdown begins when every sensor is heard
            state.begins_s = now_s + self.steps[0].settle_s
        cues: list[Cue] = []
        step = self.steps[state.at]
        if now_s < state.begins_s:
            return self._told(Cue(Sign.READY, step, step.words, state.begins_s - now_s))
        ends_s = state.begins_s + step.hold_s
        if not state.going:
            state.going, state.told_s = True, int(np.ceil(step.hold_s))
            cues.append(Cue(Sign.GO, step, step.words, step.hold_s))
        if now_s < ends_s:
            return cues or self._told(Cue(Sign.LIVE, step, self._quality(step, state.begins_s, now_s), ends_s - now_s))
        if state.told_s != -1:
            state.told_s = -1
            cues.append(Cue(Sign.STOP, step))
        if now_s < ends_s + _LATE_S and any(s.newest_s < ends_s for s in self._samples.values()):
            return cues
        return cues + self._judged(step, (state.begins_s, ends_s), now_s)

    def _told(self, cue: Cue) -> list[Cue]:
        """The cue, once for each whole second."""
        second = int(np.ceil(cue.left_s))
        if second == self.state.told_s:
            return []
        self.state.told_s = second
        return [cue]

    def _judged(self, step: Step, held: tuple[float, float], now_s: float) -> list[Cue]:
        """The pose is over: on, or once more."""
        state = self.state
        window = held if step.pose in BENDS else (held[0] + _MARGIN_S, held[1] - _MARGIN_S)
        wrong = self._wrong(step, window)
        if wrong and state.attempt < ATTEMPTS:
            state.attempt += 1
            self._next(step.settle_s, now_s)
            return [Cue(Sign.AGAIN, step, wrong)]
        if wrong and step.needed:
            raise InputError(f"{wrong}, {ATTEMPTS} times; calibrate again when nothing disturbs it")
        cues = [Cue(Sign.LEFT_OUT, step, wrong) if wrong else Cue(Sign.GOOD, step, self._quality(step, *window))]
        if not wrong:
            state.poses.setdefault(step.pose, []).append(window)
        state.at, state.attempt = state.at + 1, 1
        if state.at < len(self.steps):
            self._next(self.steps[state.at].settle_s, now_s)
            return cues
        state.ended = True
        blocks, rates = (s.block() for s in self._samples.values()), {p: s.rate_hz for p, s in self._samples.items()}
        self.raw_poses = RawPoses(tuple(blocks), rates, state.poses, self.base, self.made_utc)
        self.made = self.raw_poses.calibrated(self.config)
        return [*cues, Cue(Sign.DONE, step)]

    def _next(self, settle_s: float, now_s: float) -> None:
        self.state.begins_s, self.state.going, self.state.told_s = now_s + settle_s, False, None

    def _wrong(self, step: Step, window: tuple[float, float]) -> str | None:
        """Why this pose must be held again, None where it need not."""
        params, name = self.config.calibration, step.pose
        for placement, samples in self._samples.items():
            seconds = samples.seconds(window)
            if seconds < _THERE_SHARE * (window[1] - window[0]):
                return f"only {seconds:.0f} of {window[1] - window[0]:.0f} s came from the {placement.words} sensor; stay near"
        poses = {name: [window]}
        tracks = {p: track_of(s.block(), s.rate_hz, self.config) for p, s in self._samples.items()}
        if name in STANDING:
            try:
                for placement, track in tracks.items():
                    pose_checks.standing_force(track, name, poses, placement, params)
            except InputError as error:
                return str(error).partition(";")[0]
            return None
        if name == "walk":
            found = [walk_anchor(p, t, np.eye(3), poses, params)[2] for p, t in tracks.items()]
            return next((words.partition(";")[0] for words in found if words), None)
        if name in BENDS:
            lean_deg = max(self._leans(tracks, window).values())
            if lean_deg >= params.bend_min_deg:
                return None
            return f"you leaned forward by {lean_deg:.0f} deg only; {params.bend_min_deg:g} and more are needed"
        said = [words for p, t in tracks.items() for words in pose_checks.held(p, name, t, poses, params)]
        if said:
            return said[0].partition(";")[0]
        turned = {p: {n: self._turned(t, window) if n == name else np.nan for n in SEATED} for p, t in tracks.items()}
        return "no sensor has moved from standing; sit down for it" if pose_checks.seated(turned, params) else None

    def _leans(self, tracks: Mapping[Placement, Track], window: tuple[float, float]) -> dict[Placement, float]:
        return {p: float(leans_deg(t, self._up(t), [window])[0]) for p, t in tracks.items()}

    def _turned(self, track: Track, window: tuple[float, float]) -> float:
        """How far the sensor is from where it was while standing, deg."""
        return angle_deg(track.acc[track.rows([window])].mean(axis=0), self._up(track))

    def _up(self, track: Track) -> Float:
        mean = track.acc[track.rows(self.state.poses["stand"])].mean(axis=0)
        return np.asarray(mean / np.sqrt((mean**2).sum()))

    def _quality(self, step: Step, from_s: float, to_s: float) -> str:
        """How it goes, in figures: the sensor that does worst, or in a bend leans most. Nothing where nothing came."""
        forces = [s.force(from_s, to_s) for s in self._samples.values()]
        if any(len(f) < 2 for f in forces):
            return "no data"
        if step.pose == "walk":
            return ""
        if step.pose not in BENDS:
            return f"sway {max(sway_deg(f) for f in forces):.1f} deg"
        ups = [s.force(*self.state.poses["stand"][0]).mean(axis=0) for s in self._samples.values()]
        leans = [_leans_deg(f, up) for f, up in zip(forces, ups, strict=True)]
        if to_s - from_s < step.hold_s:
            return f"lean {max(lean[-1] for lean in leans):.0f} deg"
        return f"leaned {max(lean.max() for lean in leans):.0f} deg"


def _leans_deg(force: Float, up: Float) -> Float:
    """Lean by the force, (n, 3) with n > 0, deg, one for each `_SMOOTH_N` rows: for the eye, not for a verdict."""
    n = min(_SMOOTH_N, len(force))
    means = force[len(force) % n :].reshape(-1, n, 3).mean(axis=1)
    return np.array([angle_deg(mean, up) for mean in means])


class _Samples:
    """All samples of one sensor, on the session's axis."""

    def __init__(self, placement: Placement, rate_hz: float) -> None:
        self.placement, self.rate_hz = placement, rate_hz
        self.newest_s = float("-inf")
        self.count = 0
        self._blocks: list[ImuBlock] = []
        self._fit: ClockFit | None = None

    def take(self, batch: ImuBatch) -> None:
        """The sensor's own; the first fit of its clock is kept, because three minutes drift by less than a sample."""
        for fit in batch.fits:
            if fit.placement is self.placement and self._fit is None:
                self._fit = fit
        for block in batch.blocks:
            if block.placement is not self.placement or not len(block.time_s):
                continue
            if self._blocks and block.segment != self._blocks[0].segment:
                raise PostureError(
                    f"the {self.placement.words} sensor restarted during the calibration; calibrate again"
                )
            if block.segment is not None:
                self.rate_hz = block.segment.rate_hz
            time_s = block.time_s if self._fit is None else block.time_s + self._fit.offset_s
            self._blocks.append(replace(block, time_s=time_s))
            self.newest_s = max(self.newest_s, float(time_s[-1]))
            self.count += len(time_s)

    def block(self) -> ImuBlock:
        """All of it as one block, timed by its own axis."""
        parts = self._blocks
        gyr = [b.gyr_radps for b in parts if b.gyr_radps is not None]
        return ImuBlock(
            self.placement,
            np.concatenate([b.time_s for b in parts]),
            np.concatenate([b.acc_mps2 for b in parts]),
            np.concatenate(gyr) if gyr else None,
            np.concatenate([b.arrived_s for b in parts]),
        )

    def force(self, from_s: float, to_s: float) -> Float:
        """Accelerometer of [from_s, to_s), (n, 3) m/s^2, known rows only."""
        near = [b for b in self._blocks if b.time_s[-1] >= from_s and b.time_s[0] < to_s]
        if not near:
            return np.empty((0, 3))
        time_s, acc = np.concatenate([b.time_s for b in near]), np.concatenate([b.acc_mps2 for b in near])
        return np.asarray(acc[(time_s >= from_s) & (time_s < to_s) & np.isfinite(acc).all(axis=1)])

    def seconds(self, window: tuple[float, float]) -> float:
        """How much of a window came, s."""
        return len(self.force(*window)) / self.rate_hz
