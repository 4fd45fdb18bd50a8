"""`python -m analysis.validation.calibration [DAY_STEM ...] [--seeds 201 202 ...]`: how far off calibrations are, in tables.

Labelled days: without poses (neutral against the labelled inclination, forward against the same day's poses), the gyroscope's
bending axis against the accelerometer's, bends cut off at small leans, and a quick calibration after the sensors were turned.
Seeds: the same on simulated people of `synth`, whose mounting is known exactly.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.validation.synth import Mounting, Script, make, person, quat
from analysis.validation.synth.day import day as everyday
from analysis.validation.synth.motion import CONTEXTS
from posture.arrow_files import reading
from posture.config import Config
from posture.recording import open_recording, read_poses
from posture.signal.calibrate import calibrate
from posture.signal.calibration import Calibration, Poses
from posture.signal.mounting import axes_apart_deg, bend_axis, force_axis, frame, turning_axis, unit_across
from posture.signal.pose_checks import BENDS
from posture.signal.redon import quick
from posture.signal.self_calibrate import self_calibrated
from posture.signal.track import Track, track_of
from posture.types import Bool, Float, ImuBlock, InputError, Placement

CONFIG = Config()
LEANS_DEG = (8, 10, 12, 15, 20, 25)
REDON_DEG = ((8.0, 5.0), (-10.0, 4.0))
"""How the sensors of a labelled day are turned for a quick calibration: about body y and x, sacrum and upper lumbar."""


@dataclass(frozen=True, slots=True)
class Case:
    """Some samples with their truth. inclination_deg (n,) and upright (n,): at the samples of `time_s`, per placement the first.

    upright : standing or walking; walking : (n,) too. mounting : body_from_sensor that counts as true, per placement.
    """

    name: str
    blocks: Sequence[ImuBlock]
    rate_hz: float
    poses: Poses
    time_s: Float
    inclination_deg: Mapping[Placement, Float]
    upright: Bool
    walking: Bool
    mounting: Mapping[Placement, Float]

    def rates(self) -> dict[Placement, float]:
        """As calibration wants them."""
        return {b.placement: self.rate_hz for b in self.blocks}

    def between(self, from_s: float, to_s: float) -> tuple[ImuBlock, ...]:
        """The samples with from_s <= time < to_s."""
        return tuple(_cut(b, (b.time_s >= from_s) & (b.time_s < to_s)) for b in self.blocks)

    def routine_end_s(self) -> float:
        """End of the last pose."""
        return max(b for windows in self.poses.values() for _, b in windows)


def labelled(stem: Path) -> Case:
    """A labelled day; the mounting is that of its pose calibration."""
    import pyarrow.parquet as pq

    recording = open_recording(stem.with_name(f"{stem.name}.parquet"))
    info = recording.info
    poses = read_poses(stem.with_name(f"{stem.name}.poses.json"), info)
    last_s = max(b for windows in poses.values() for _, b in windows)
    blocks = recording.window(-np.inf, np.inf)
    with reading(stem.with_name(f"{stem.name}.truth.parquet")) as file:
        truth = pq.read_table(file)
    context = np.array(truth["context"].to_pylist())
    case = Case(
        stem.name,
        blocks,
        info.rate_hz,
        poses,
        truth["time_s"].to_numpy(),
        {p: truth[f"{p}_inclination_deg"].to_numpy().astype(np.float64) for p in info.selected},
        np.isin(context, ("standing", "walking")),
        context == "walking",
        {},
    )
    made = calibrate(case.between(info.first_s, last_s), case.rates(), poses, CONFIG)
    return replace(case, mounting={p: s.body_from_sensor for p, s in made.sensors.items()})


def simulated(seed: int, script: Script | None = None, wears: int = 1) -> Case:
    """A simulated person's day of 36 min; the mounting of the last of `wears` is the true one."""
    script = script or everyday(person(seed), 0.6)
    rng = np.random.default_rng([seed, 7])
    drawn = {p: [Mounting.drawn(rng) for _ in range(wears)] for p in Placement}
    made = make(script, seed=seed, mountings=drawn)
    track = made.track
    return Case(
        f"seed {seed}",
        made.blocks(),
        track.rate_hz,
        track.poses,
        track.time_s,
        {Placement.SACRUM: track.sacrum_deg, Placement.UPPER_LUMBAR: track.upper_deg},
        np.isin(track.context, (CONTEXTS.index("standing"), CONTEXTS.index("walking"))),
        track.context == CONTEXTS.index("walking"),
        {p: quat.rotate(quat.inverse(m[-1].turn), np.eye(3)) for p, m in drawn.items()},
    )


def neutral_error_deg(case: Case, made: Calibration, from_s: float, placement: Placement, track: Track) -> float:
    """Median of ours less true inclination over standing and walking from `from_s` on, deg."""
    v = track.up @ made.sensors[placement].body_from_sensor.T
    ours = np.degrees(np.arctan2(-v[:, 0], v[:, 2]))
    true = np.interp(track.time_s, case.time_s, case.inclination_deg[placement])
    upright = np.interp(track.time_s, case.time_s, case.upright.astype(np.float64)) == 1.0
    return float(np.nanmedian((ours - true)[upright & (track.time_s >= from_s)]))


def heading_error_deg(case: Case, made: Calibration, placement: Placement) -> float:
    """Turn about the true up from the true left to ours, deg in (-180, 180]."""
    forward, left, _ = case.mounting[placement]
    ours = made.sensors[placement].body_from_sensor[1]
    return float(np.degrees(np.arctan2(-(ours @ forward), ours @ left)))


Row = tuple[str, Placement, float, float, str]


def without_poses(case: Case) -> Iterator[Row]:
    """Neutral and heading errors of self-calibration on the half hour after the routine, and what forward rests on."""
    from_s = case.routine_end_s() + 1.0
    made, _ = self_calibrated(case.between, from_s, float(case.time_s[-1]), case.rates(), CONFIG)
    for block in case.between(from_s, np.inf):
        p = block.placement
        said = "; ".join(r.partition(": ")[2].partition(";")[0] for r in made.reasons if r.startswith(f"{p.words}:"))
        track = track_of(block, case.rate_hz, CONFIG)
        yield case.name, p, neutral_error_deg(case, made, from_s, p, track), heading_error_deg(case, made, p), said


def quick_after(case: Case, base: Calibration, poses: Poses, until_s: float) -> Iterator[Row]:
    """Neutral and heading errors of a quick calibration, from its walk on until `until_s`, and its grade."""
    last_s = max(b for windows in poses.values() for _, b in windows)
    made = quick(case.between(-np.inf, last_s), case.rates(), poses, base, CONFIG)
    for block in case.between(-np.inf, until_s):
        p, track = block.placement, track_of(block, case.rate_hz, CONFIG)
        change = made.sensors[p].walk_deg - base.sensors[p].walk_deg
        said = f"{made.grade}; walk {change:+.1f} deg"
        yield case.name, p, neutral_error_deg(case, made, last_s, p, track), heading_error_deg(case, made, p), said


def quick_on_labelled(case: Case) -> Iterator[Row]:
    """After the routine both sensors are turned; then the first 5 s of standing and 10 steps that the labels have."""
    end_s = case.routine_end_s() + 1.0
    base = calibrate(case.between(-np.inf, end_s - 1.0), case.rates(), case.poses, CONFIG)
    turns = {p: _about_y_x(*REDON_DEG[k]) for k, p in enumerate(case.mounting)}
    # The sensor's new axes: what was v is now turn @ v, for v in body axes of the full calibration.
    spun = {p: m.T @ turns[p] @ m for p, m in case.mounting.items()}
    blocks = [_spun(b, spun[b.placement], end_s) for b in case.blocks]
    worn = replace(case, blocks=blocks, mounting={p: m @ spun[p].T for p, m in case.mounting.items()})
    tracks = [track_of(b, case.rate_hz, CONFIG) for b in worn.between(end_s, np.inf)]
    poses = {"stand": [_standing(case, tracks, end_s)], "walk": _walking(case, end_s)}
    return quick_after(replace(worn, blocks=worn.between(end_s, np.inf)), base, poses, np.inf)


def quick_on_seed(seed: int) -> Iterator[Row]:
    """Full routine, sensors off for a minute and on again at random, a stand of 7 s and 10 steps, then two minutes of life."""
    script = Script(person(seed)).calibrate()
    full_s = script.now_s
    script.take_off().table(1.0).put_on()
    from_s = script.now_s
    script.stand(7.0).walk(7.0).stand(3).bend("hinge", 60).walk(30).stand(20)
    case = simulated(seed, script, wears=2)
    base = calibrate(case.between(0.0, full_s), case.rates(), case.poses, CONFIG)
    poses = {"stand": [(from_s + 1.0, from_s + 6.0)], "walk": [(from_s + 8.0, from_s + 13.0)]}
    return quick_after(replace(case, blocks=case.between(from_s, np.inf)), base, poses, np.inf)


def bends_apart(case: Case) -> Iterator[tuple[str, Placement, float]]:
    """Angle between the bending axis by the gyroscope and by the accelerometer, deg."""
    windows = [w for name in BENDS for w in case.poses.get(name, ())]
    for block in case.between(-np.inf, case.routine_end_s()):
        track = track_of(block, case.rate_hz, CONFIG)
        turned, forced = turning_axis(track, windows), force_axis(track, case.mounting[block.placement][2], windows)
        if turned is not None and forced is not None:
            yield case.name, block.placement, axes_apart_deg(turned, forced)


def bends_cut(case: Case) -> Iterator[tuple[int, float]]:
    """(lean, error) deg: the axis from only those parts of the bends that lean up to so much, against that of the whole bends."""
    windows = [w for name in BENDS for w in case.poses.get(name, ())]
    for block in case.between(-np.inf, case.routine_end_s()):
        track, (_, left, up) = track_of(block, case.rate_hz, CONFIG), case.mounting[block.placement]
        inside = np.flatnonzero(track.rows(windows))
        lean_deg = np.degrees(np.arccos(np.clip(track.up[inside] @ up, -1.0, 1.0)))
        for most in LEANS_DEG:
            kept = track.up[inside[lean_deg <= most]]
            _, vectors = np.linalg.eigh(kept.T @ kept)
            yield most, axes_apart_deg(unit_across(vectors[:, 0], up), left)


def bends_shallow(seed: int) -> Iterator[tuple[int, float]]:
    """(lean of the trunk, error) deg: the axis from three such bends of a person of limited range, against the true mounting."""
    for deg in LEANS_DEG:
        who = person(seed, limited_rom=True)
        script = Script(who).stand(12.0)
        from_s = script.now_s
        for _ in range(3):
            script.lean(deg, min(0.14 * deg, who.rom_deg), 1.0).hold(1.2, "standing")
        case = simulated(seed, script)
        for block in case.blocks:
            track = track_of(block, case.rate_hz, CONFIG)
            force = track.acc[track.rows([(1.0, 11.0)])].mean(axis=0)
            up = force / np.linalg.norm(force)
            left = bend_axis(track, up, [(from_s, script.now_s)], 0.0)
            if left is not None:
                turn = case.mounting[block.placement] @ frame(up, left).T
                yield deg, abs(float(np.degrees(np.arctan2(turn[0, 1], turn[1, 1]))))


def _standing(case: Case, tracks: Sequence[Track], from_s: float) -> tuple[float, float]:
    """The first 5 s that are labelled upright and in which no sensor moves by more than a stand may."""
    from posture.signal.track import sway_deg, turning_dps

    params = CONFIG.calibration

    def still(a: float) -> bool:
        if not _labelled_upright(case, a, a + 5.0):
            return False
        for track in tracks:
            inside = track.rows([(a, a + 5.0)])
            if inside.sum() < 4.9 * track.rate_hz or sway_deg(track.acc[inside]) > params.pose_sd_max_deg:
                return False
            if turning_dps(track.rate[inside]) > params.still_rate_max_dps:
                return False
        return True

    return _first(still, from_s, float(case.time_s[-1]), 5.0, f"{case.name}: nobody stands still for 5 s in it")


def _walking(case: Case, from_s: float) -> list[tuple[float, float]]:
    """The first stretches labelled walking, of 2 s or more each, that make 6 s: about 10 steps."""
    edges = np.flatnonzero(np.diff(case.walking, prepend=False, append=False))
    found: list[tuple[float, float]] = []
    for a, b in zip(case.time_s[edges[::2]], case.time_s[np.minimum(edges[1::2], len(case.time_s) - 1)], strict=True):
        if a >= from_s and b - a >= 2.0:
            found.append((float(a), float(b)))
            if sum(y - x for x, y in found) >= 6.0:
                return found
    raise InputError(f"{case.name}: nobody walks for 6 s in it")


def _first(
    fits: Callable[[float], bool], from_s: float, end_s: float, length_s: float, otherwise: str
) -> tuple[float, float]:
    for a in np.arange(from_s + 3.0, end_s - length_s, 0.5):
        if fits(float(a)):
            return float(a), float(a) + length_s
    raise InputError(otherwise)


def _labelled_upright(case: Case, a: float, b: float) -> bool:
    inside = (case.time_s >= a) & (case.time_s < b)
    return bool(case.upright[inside].all())


def _about_y_x(y_deg: float, x_deg: float) -> Float:
    q = quat.times(quat.about("y", np.array([y_deg])), quat.about("x", np.array([x_deg])))
    return quat.rotate(np.repeat(q, 3, axis=0), np.eye(3)).T


def _spun(block: ImuBlock, turn: Float, from_s: float) -> ImuBlock:
    """The same motion seen by a sensor that sits turned from `from_s` on."""
    after = block.time_s >= from_s
    acc = np.where(after[:, None], block.acc_mps2 @ turn.T, block.acc_mps2)
    gyr = block.gyr_radps
    return replace(block, acc_mps2=acc, gyr_radps=None if gyr is None else np.where(after[:, None], gyr @ turn.T, gyr))


def _cut(block: ImuBlock, keep: Bool) -> ImuBlock:
    gyr = block.gyr_radps
    time_s = block.time_s[keep]
    return ImuBlock(block.placement, time_s, block.acc_mps2[keep], None if gyr is None else gyr[keep], time_s)


def _errors(title: str, rows: Sequence[Row]) -> list[str]:
    lines = [f"### {title}", "", "| where | sensor | neutral, deg | heading, deg | rests on |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {p} | {n:+.1f} | {h:+.1f} | {said} |" for name, p, n, h, said in rows]
    size = np.abs([(n, h) for _, _, n, h, _ in rows])
    told = zip(("neutral", "heading"), size.mean(axis=0), size.max(axis=0), strict=True)
    return [*lines, "", "; ".join(f"{what}: mean {a:.1f}, most {b:.1f} deg" for what, a, b in told), ""]


def _by_lean(title: str, pairs: Sequence[tuple[int, float]]) -> list[str]:
    lines = [f"### {title}", "", "| lean, deg | mean error, deg | largest |", "|---|---|---|"]
    for deg in LEANS_DEG:
        found = [e for d, e in pairs if d == deg]
        lines.append(f"| {deg} | {np.mean(found):.1f} | {np.max(found):.1f} |")
    return [*lines, ""]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation.calibration", description=__doc__)
    parser.add_argument(
        "stems", nargs="*", type=Path, metavar="DAY_STEM", help="path of a labelled day without .parquet"
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=[], help="seeds of simulated people")
    given = parser.parse_args()
    lines: list[str] = []
    try:
        days = [labelled(stem) for stem in given.stems]
        people = [simulated(seed) for seed in given.seeds]
        for kind, cases in (("labelled days", days), ("simulated people", people)):
            if cases:
                lines += _errors(f"Without poses, {kind}", [r for c in cases for r in without_poses(c)])
                apart = [a for c in cases for a in bends_apart(c)]
                lines += [f"### Bending axis, gyroscope against accelerometer, {kind}", ""]
                lines += [
                    f"{len(apart)} wears: mean {np.mean([a for *_, a in apart]):.1f}, most {max(a for *_, a in apart):.1f} deg",
                    "",
                ]
        if days:
            lines += _errors("Quick, labelled days", [r for c in days for r in quick_on_labelled(c)])
            lines += _by_lean("Axis from bends cut off, labelled days", [r for c in days for r in bends_cut(c)])
        if people:
            lines += _errors("Quick, simulated people", [r for s in given.seeds for r in quick_on_seed(s)])
            lines += _by_lean("Axis from shallow bends, simulated", [r for s in given.seeds for r in bends_shallow(s)])
    except (InputError, FileNotFoundError) as error:
        parser.error(str(error))
    print("\n".join(lines))  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
