"""Every stage, and the pipeline that composes them, keeps the streaming contract of tests/contract.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from contract import Case, check_stage, cuts_of, first_difference, run
from drifting import Part, Wearing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from radio import PACKET_N, Device
from seconds import Day, wear
from streams import (
    BOTH,
    CONFIG,
    RATE_HZ,
    angle_rows,
    batch,
    calibration,
    context_rows,
    damaged,
    rows_of,
    stream,
    window,
)

from analysis.validation.synth import Script, make, person
from posture.alerts import Act, AlertPolicy, Epoch, UserAction
from posture.detect.bends import Bends, Leans
from posture.detect.chair import Chair
from posture.detect.climbs import Climbs
from posture.detect.context import ContextBlock, ContextModel
from posture.detect.declared import Declared
from posture.detect.epochs import EpochFeatures, Epochs
from posture.detect.exercise import Sets
from posture.detect.floor import Floor
from posture.detect.gaps import Gaps
from posture.detect.mat import Mat
from posture.detect.movement import Movements
from posture.detect.practice import Holds
from posture.detect.reps import KNOWN_AFTER_S, Rep, Reps
from posture.detect.sitting import Sitting
from posture.detect.slip import Slip
from posture.detect.uprights import Uprights
from posture.detect.wear import Wear
from posture.pipeline import Output, Pipeline, SensorSpec
from posture.signal.clipping import Clipping
from posture.signal.clock import ClockEstimator, Packets
from posture.signal.fusion import Fusion
from posture.signal.join import Join, JoinedBlock
from posture.signal.timebase import Grid, OrientedRun, Run, TickRun, Timebase
from posture.types import ClockFit, Context, EpochBlock, ImuBatch, ImuBlock, Placement, Segment

STORY = (1690.0, 1830.0)
"""s of the excerpt: walking, 13 bends, down to the floor, up again, a sit-down."""
SACRUM = Placement.SACRUM


def samples_of(runs: list[Any], *names: str) -> dict[str, Any]:
    """Runs as one array per name, whatever pieces they came in; a restart is kept by its index."""
    if not runs:
        return {}
    out: dict[str, Any] = {
        n: np.concatenate([getattr(r, n) for r in runs if getattr(r, n) is not None] or [np.empty(0)]) for n in names
    }
    out["index"] = np.concatenate([r.first_index + np.arange(len(r.arrived_s)) for r in runs])
    out["restarts"] = [r.first_index for r in runs if r.restart]
    return out


def ticks_of(outputs: list[list[TickRun]]) -> dict[str, Any]:
    runs = [t for part in outputs for t in part]
    return {
        "tick": np.concatenate([t.first_tick + np.arange(len(t.trusted)) for t in runs]),
        **{n: np.concatenate([getattr(t, n) for t in runs]) for n in ("channels", "trusted", "arrived_s")},
    }


def flat(outputs: list[Any]) -> list[Any]:
    return [x for part in outputs for x in part]


def timebase_case(*, gyro: bool) -> Case:
    block = damaged(window(*STORY)[0], seed=3)
    if not gyro:
        block = replace(block, gyr_radps=None)
    return Case(
        make=lambda state: Timebase(RATE_HZ, CONFIG.timebase, state),
        size=len(block.time_s),
        piece=lambda a, b: rows_of(block, a, b),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: stage.flush(),
        whole=lambda outs: samples_of(flat(outs), "acc_mps2", "gyr_radps", "measured", "arrived_s"),
    )


def cut_run(run_: Run, a: int, b: int) -> Run:
    gyr = None if run_.gyr_radps is None else run_.gyr_radps[a:b].copy()
    return Run(
        run_.first_index + a,
        run_.restart and a == 0,
        run_.acc_mps2[a:b].copy(),
        gyr,
        run_.measured[a:b].copy(),
        run_.arrived_s[a:b].copy(),
    )


def pieces_of(runs: list[Any], a: int, b: int, cut: Callable[[Any, int, int], Any]) -> tuple[Any, ...]:
    """Samples a to b counted over all runs; a run with nothing in [a, b) is left out, so no restart is lost or doubled."""
    out, at = [], 0
    for run_ in runs:
        n = len(run_.arrived_s)
        low, high = max(a - at, 0), min(b - at, n)
        if low < high:
            out.append(cut(run_, low, high))
        at += n
    return tuple(out)


@cache
def damaged_runs(*, gyro: bool) -> list[Run]:
    block = damaged(window(*STORY)[0], seed=4)
    return list(Timebase(RATE_HZ, CONFIG.timebase).push(block if gyro else replace(block, gyr_radps=None)))


def fusion_case(*, gyro: bool, name: str = "auto") -> Case:
    runs = damaged_runs(gyro=gyro)
    params = CONFIG.fusion.model_copy(update={"filter": name})
    return Case(
        make=lambda state: Fusion(RATE_HZ, params, CONFIG.timebase, has_gyro=gyro, state=state),
        size=sum(len(r.measured) for r in runs),
        piece=lambda a, b: pieces_of(runs, a, b, cut_run),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: stage.flush(),
        whole=lambda outs: samples_of(flat(outs), "channels", "trusted", "arrived_s"),
    )


def clipping_case() -> Case:
    """Ranges so narrow that limits are named, exceeded by a spike, and named again."""
    runs = []
    for run_ in damaged_runs(gyro=True):
        acc, gyr = np.clip(run_.acc_mps2, -11.5, 11.8), run_.gyr_radps
        assert gyr is not None
        acc[::977] *= 1.5
        runs.append(replace(run_, acc_mps2=acc, gyr_radps=np.clip(gyr, -1.8, 1.8)))
    return Case(
        make=lambda state: Clipping(RATE_HZ, CONFIG.clipping, state),
        size=sum(len(r.measured) for r in runs),
        piece=lambda a, b: pieces_of(runs, a, b, cut_run),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: stage.flush(),
        whole=lambda outs: samples_of(flat(outs), "acc_mps2", "gyr_radps", "measured", "arrived_s"),
    )


def cut_oriented(run_: OrientedRun, a: int, b: int) -> OrientedRun:
    return OrientedRun(
        run_.first_index + a,
        run_.restart and a == 0,
        run_.channels[a:b].copy(),
        run_.trusted[a:b].copy(),
        run_.arrived_s[a:b].copy(),
    )


def grid_case(rate_hz: float) -> Case:
    runs = list(Fusion(RATE_HZ, CONFIG.fusion, CONFIG.timebase, has_gyro=True).push(tuple(damaged_runs(gyro=True))))
    return Case(
        make=lambda state: Grid(rate_hz, state),
        size=sum(len(r.trusted) for r in runs),
        piece=lambda a, b: pieces_of(runs, a, b, cut_oriented),
        push=lambda stage, piece: [t for r in piece if (t := stage.push(r, origin_s=0.007)) is not None],
        flush=lambda stage: [],
        whole=ticks_of,
    )


def late(block: ImuBlock, delay_s: float, packet_n: int, hole_s: tuple[float, float] | None = None) -> ImuBlock:
    """The block as a radio brings it: packets of n samples, a delay, and a hole whose samples all come after it."""
    due = block.time_s[
        np.minimum(np.arange(len(block.time_s)) // packet_n * packet_n + packet_n - 1, len(block.time_s) - 1)
    ]
    arrived = due + delay_s
    if hole_s is not None:
        arrived = np.where((arrived >= hole_s[0]) & (arrived < hole_s[1]), hole_s[1], arrived)
    return replace(block, arrived_s=arrived)


@cache
def radio() -> tuple[ImuBlock, ImuBlock]:
    sacrum, upper = window(*STORY)
    return late(sacrum, 0.05, 5), late(upper, 0.11, 19, hole_s=(1750.0, 1754.0))


def arrivals(blocks: tuple[ImuBlock, ...], a: int, b: int, step_s: float = 0.1) -> ImuBatch:
    """What arrived in steps a to b of the arrival axis."""
    start = min(float(x.arrived_s[0]) for x in blocks) - step_s
    low, high = start + a * step_s, start + b * step_s
    parts = [(x, np.searchsorted(x.arrived_s, (low, high), side="right")) for x in blocks]
    return ImuBatch(tuple(rows_of(x, int(k[0]), int(k[1])) for x, k in parts), high)


def join_case() -> Case:
    runs = {}
    for block in radio():
        base, grid = Timebase(RATE_HZ, CONFIG.timebase), Grid(RATE_HZ)
        oriented = Fusion(RATE_HZ, CONFIG.fusion, CONFIG.timebase, has_gyro=True).push(base.push(block))
        runs[block.placement] = [
            t for r in oriented if (t := grid.push(r, origin_s=base.state.origin_s or 0.0)) is not None
        ]

    def cut(run_: TickRun, low: int, high: int) -> TickRun:
        return TickRun(
            run_.first_tick + low,
            run_.channels[low:high].copy(),
            run_.trusted[low:high].copy(),
            run_.arrived_s[low:high].copy(),
        )

    def piece(a: int, b: int) -> tuple[dict[Placement, list[TickRun]], float]:
        low, high = STORY[0] + 0.1 * a, STORY[0] + 0.1 * b
        parts = {
            p: [cut(r, *np.searchsorted(r.arrived_s, (low, high), side="right")) for r in found]
            for p, found in runs.items()
        }
        return {p: [r for r in found if len(r.trusted)] for p, found in parts.items()}, high

    def whole(outs: list[Any]) -> dict[str, Any]:
        blocks = flat(outs)
        out: dict[str, Any] = {
            "tick": np.concatenate([b.first_tick + np.arange(len(b.trusted[SACRUM])) for b in blocks])
        }
        for p in BOTH:
            out[f"{p} channels"] = np.concatenate([b.channels[p] for b in blocks])
            out[f"{p} trusted"] = np.concatenate([b.trusted[p] for b in blocks])
        return out

    return Case(
        make=lambda state: Join(BOTH, CONFIG.join, state),
        size=1500,
        piece=piece,
        push=lambda stage, p: list(stage.push(p[0], p[1])),
        flush=lambda stage: list(stage.flush()),
        whole=whole,
    )


def ticks_case(make: Callable[[Any], Any], whole: Callable[[list[Any]], Any]) -> Case:
    angle = stream(*STORY).angle
    return Case(
        make=make,
        size=len(angle),
        piece=lambda a, b: angle_rows(angle, a, b),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: stage.flush(),
        whole=whole,
    )


def context_whole(outs: list[ContextBlock]) -> dict[str, Any]:
    return {n: np.concatenate([getattr(o, n) for o in outs]) for n in ("start_s", "context", "confidence", "seated")}


def context_case() -> Case:
    s = stream(*STORY)
    reach_s = CONFIG.movement.reach_s + CONFIG.movement.step_s

    def piece(a: int, b: int) -> tuple[EpochFeatures, tuple[Any, ...], tuple[Any, ...]]:
        first = int(s.features.start_s[0])
        due = tuple(m for m in s.movements if a <= int(m.peak_s + reach_s) - first < b)
        up = tuple(c for c in s.climbs if a <= int(c.known_s - 0.1) - first < b)
        return EpochFeatures(*(getattr(s.features, n)[a:b].copy() for n in EpochFeatures.__dataclass_fields__)), due, up

    return Case(
        make=lambda state: ContextModel(CONFIG, calibration(), state),
        size=len(s.features),
        piece=piece,
        push=lambda stage, p: stage.push(*p),
        flush=lambda stage: stage.flush(),
        whole=context_whole,
    )


def seconds_case(
    make: Callable[[Any], Any], push: Callable[[Any, Any, float], Any], whole: Callable[[list[Any]], Any]
) -> Case:
    """For stages that take decided seconds; `push` gets the stage, the seconds and the moment up to which data came in."""
    block = stream(*STORY).context
    return Case(
        make=make,
        size=len(block.start_s),
        piece=lambda a, b: (context_rows(block, a, b), float(block.start_s[0]) + a, float(block.start_s[0]) + b),
        push=push,
        flush=lambda stage: stage.flush(),
        whole=whole,
    )


def due(items: list[Any], at: Callable[[Any], float], piece: tuple[Any, float, float]) -> tuple[Any, ...]:
    lag = CONFIG.context.lag_s
    return tuple(
        i
        for i in items
        if piece[1] <= int(at(i)) - lag < piece[2] or (int(at(i)) - lag < STORY[0] and piece[1] == STORY[0])
    )


def sitting_whole(outs: list[Any]) -> dict[str, Any]:
    blocks = [o[0] for o in outs if isinstance(o, tuple)]
    said = flat([o[1] if isinstance(o, tuple) else o for o in outs])
    return {"epochs": EpochBlock.joined(blocks), "said": said}


def policy_case() -> Case:
    s = stream(*STORY)
    epochs, _ = Sitting(CONFIG, calibration()).push(s.context)
    columns = (epochs.start_s, epochs.context, epochs.context_confidence, epochs.creep, epochs.flexed)
    items: list[Any] = [Epoch(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
    items += [said.event for said in Bends(CONFIG.bends, calibration()).push(s.context, tuple(s.leans))]
    items.sort(key=lambda i: i.end_s if hasattr(i, "end_s") else i.start_s)
    return Case(
        make=lambda state: AlertPolicy(CONFIG.alerts, lag_s=5, judges_sitting=True, state=state),
        size=len(items),
        piece=lambda a, b: items[a:b],
        push=lambda stage, piece: [a for i in piece if (a := stage.push(i)) is not None],
        flush=lambda stage: [],
        whole=flat,
    )


def wear_case() -> Case:
    """Half an hour of which ten minutes nothing moves, five more are a ride in a bag, and in five the sensors lie back to back."""
    block = Day().sit(30, 70).block()
    tilt = 10.0 + 0.2 * np.sin(np.arange(1800.0))
    tilt[500:1200], tilt[1200:1500] = 10.0, 80.0
    shaken = np.where(np.arange(1800) >= 1200, 0.3, 0.0)
    block = replace(block, features=replace(block.features, tilt_deg=tilt, gait_mps2=shaken))
    ups = {p: np.tile([0.0, 0.0, 1.0], (1800, 1)) for p in Placement}
    ups[Placement.UPPER_LUMBAR][1500:, 2] = -1.0
    return Case(
        make=lambda state: Wear(CONFIG.wear, 65.0, calibration(), state),
        size=1800,
        piece=lambda a, b: (context_rows(block, a, b), {p: rows[a:b] for p, rows in ups.items()}),
        push=lambda stage, piece: stage.push(*piece),
        flush=lambda stage: stage.flush(),
        whole=lambda outs: [
            np.concatenate([o[0].motionless for o in outs if isinstance(o, tuple)]),
            np.concatenate([o[0].off for o in outs if isinstance(o, tuple)]),
            flat([o[1] if isinstance(o, tuple) else o for o in outs]),
        ],
    )


def slip_case() -> Case:
    """Walks of half a minute: two as calibrated, two on a sensor that has moved, after a table one in a bag and one worn anew."""
    day = Day()
    for stands in (0.5, 0.5, 0.5, 0.5, 3, 0.5):
        day.add(0.5, Context.WALKING).stand(stands)
    block = day.block()
    deg = np.select([block.start_s < 100, block.start_s < 230, block.start_s < 290], [0.0, 12.0, 30.0], -9.0)
    sacrum = np.stack([-np.sin(np.radians(deg)), 0 * deg, np.cos(np.radians(deg))], axis=1)
    ups = {Placement.SACRUM: sacrum, Placement.UPPER_LUMBAR: np.tile([0.0, 0.0, 1.0], (len(deg), 1))}
    off = (block.start_s >= 215) & (block.start_s < 235)
    walked = {p: replace(s, walk_deg=0.0) for p, s in calibration().sensors.items()}
    return Case(
        make=lambda state: Slip(CONFIG.slip, replace(calibration(), sensors=walked), state),
        size=len(block.start_s),
        piece=lambda a, b: (context_rows(block, a, b), {p: u[a:b] for p, u in ups.items()}, off[a:b]),
        push=lambda stage, piece: (stage.push(*piece), stage.paused(piece[0].start_s).tolist()),
        flush=lambda stage: ([*stage.flush(), *(str(r.body_from_sensor) for r in stage.state.remounts)], []),
        whole=lambda outs: [*flat([said for said, _ in outs]), *flat([paused for _, paused in outs])],
    )


def mat_case() -> Case:
    """Lying for three minutes, over to the right side and back, with a curl on the back in between."""
    block = Day().add(3, Context.LYING).add(0.2, Context.TRANSITION).block()
    s = block.start_s
    lateral = np.select([(s >= 30) & (s < 32), (s >= 32) & (s < 60), (s >= 60) & (s < 61)], [40.0, 88.0, 30.0], 0.0)
    turning = ((s >= 30) & (s < 32)) | ((s >= 60) & (s < 61))
    flexion = np.where((s >= 90) & (s < 96), 40.0, np.where(s >= 185, 45.0, 2.0))
    features = replace(
        block.features,
        sacrum_inclination_deg=np.where(lateral > 80.0, np.nan, -80.0),
        flexion_deg=flexion,
        lateral_deg=lateral,
        tilt_deg=np.full(len(s), 85.0),
        rate_dps=np.where(turning, 40.0, 2.0),
    )
    context = np.where(s >= 185, Context.FLOOR, block.context).astype(np.int8)
    block = replace(block, context=context, features=features)
    return Case(
        make=lambda state: Mat(CONFIG.mat, calibration(), state),
        size=len(s),
        piece=lambda a, b: context_rows(block, a, b),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: stage.flush(),
        whole=flat,
    )


def rep(
    start_s: float, *, lasts_s: float = 3.6, drop_m: float = 0.33, lean_deg: float = 44.0, flexion_deg: float = 12.0
) -> Rep:
    """A squat, or whatever the numbers make of it."""
    return Rep(
        start_s=start_s,
        peak_s=start_s + lasts_s / 2,
        end_s=start_s + lasts_s,
        drop_m=drop_m,
        lean_deg=lean_deg,
        pelvis_deg=lean_deg - flexion_deg,
        flexion_deg=flexion_deg,
        lateral_deg=0.5,
        level_deg=-88.0,
        tilt_deg=1.0,
        top_dps=1.0,
        trusted=1.0,
    )


FEET = [
    *(rep(30.3 + 4.1 * k, flexion_deg=12.0 if k < 5 else 28.0) for k in range(8)),
    *(rep(95.0 + 3.9 * k, drop_m=0.02, lean_deg=56.0, flexion_deg=8.0) for k in range(4)),
    *(rep(111.0 + 3.9 * k) for k in range(3)),
    *(rep(150.0 + 12.0 * k) for k in range(3)),
]
"""A set that fails at the sixth, a hinge set that goes on as squats at once, three squats too far apart; the last two declared."""
MAT = [rep(200.2 + 3.3 * k, lasts_s=3.0, drop_m=0.0, lean_deg=2.1, flexion_deg=0.8) for k in range(7)]


def sets_case() -> Case:
    """The sets above, in seconds some of which seem seated; lying from 185 s on."""
    day = Day().stand(0.75).sit(0.1, 40).stand(2.2).add(1.0, Context.LYING)
    block = day.block()
    declared = (Declared(160.0, 180.0, "squat"),)

    def known(reps: list[Rep], p: Any) -> tuple[Rep, ...]:
        """Those that are known when the last second of the piece is decided; the first piece gets all from before."""
        lag = CONFIG.context.lag_s
        return tuple(r for r in reps if p[1] <= int(r.end_s + KNOWN_AFTER_S) - lag < p[2])

    def whole(outs: list[Any]) -> list[Any]:
        pushed = [o for o in outs if isinstance(o, tuple)]
        blocks = [context_whole([o[0] for o in pushed])]
        return [*blocks, np.concatenate([o[1] for o in pushed]), flat([o[2] for o in pushed] + [outs[-1]])]

    return Case(
        make=lambda state: Sets(CONFIG.exercise, calibration(), state, routine=(0.0, 20.0), declared=declared),
        size=len(block.start_s),
        piece=lambda a, b: (context_rows(block, a, b), float(a), float(b)),
        push=lambda stage, p: stage.push(p[0], known(FEET, p), known(MAT, p)),
        flush=lambda stage: stage.flush(),
        whole=whole,
    )


def holds_case() -> Case:
    """Standing, five minutes on the back with a movement, and a declared hip stretch in the last of them."""
    block = Day().stand(0.5).add(6, Context.LYING).stand(0.5).block()
    moving = np.isin(block.start_s, (80, 81, 82, 83, 84, 330, 331, 332, 333, 334))
    features = replace(
        block.features,
        sacrum_inclination_deg=np.where(block.context == Context.LYING, -88.0 + 0.3 * np.sin(block.start_s), 0.0),
        rate_dps=np.where(moving, 20.0, 1.0),
    )
    block = replace(block, features=features)
    declared = (Declared(300.0, 370.0, "hip_mobility", "left"),)
    return Case(
        make=lambda state: Holds(CONFIG.exercise, calibration(), state, declared=declared),
        size=len(block.start_s),
        piece=lambda a, b: context_rows(block, a, b),
        push=lambda stage, piece: stage.push(piece),
        flush=lambda stage: stage.flush(),
        whole=flat,
    )


def uprights_case() -> Case:
    """Twenty seconds of two sensors, one of them with a hole."""
    rng = np.random.default_rng(3)
    ups = {p: rng.normal(size=(1010, 9)) for p in Placement}
    ups[Placement.SACRUM][300:420] = np.nan
    sure = np.ones(1010, dtype=bool)
    return Case(
        make=lambda state: Uprights(tuple(Placement), state),
        size=1010,
        piece=lambda a, b: JoinedBlock(a, {p: u[a:b] for p, u in ups.items()}, dict.fromkeys(Placement, sure[a:b])),
        push=lambda stage, piece: (stage.push(piece), stage.take(1000))[1],
        flush=lambda stage: (stage.flush(), stage.take(1000))[1],
        whole=lambda outs: [np.concatenate([o[p] for o in outs]) for p in Placement],
    )


CASES: dict[str, Callable[[], Case]] = {
    "timebase": lambda: timebase_case(gyro=True),
    "timebase, accelerometer only": lambda: timebase_case(gyro=False),
    "clipping": clipping_case,
    "fusion": lambda: fusion_case(gyro=True),
    "fusion, builtin": lambda: fusion_case(gyro=True, name="builtin"),
    "fusion, accelerometer only": lambda: fusion_case(gyro=False),
    "grid, sensor off the grid": lambda: grid_case(50.0),
    "grid, 95.238 Hz": lambda: grid_case(95.238),
    "grid, 20 Hz": lambda: grid_case(20.0),
    "join": join_case,
    "epochs": lambda: ticks_case(Epochs, EpochFeatures.joined),
    "movements": lambda: ticks_case(lambda s: Movements(CONFIG.movement, s), flat),
    "climbs": lambda: ticks_case(lambda s: Climbs(CONFIG.climb, CONFIG.context, s), flat),
    "leans": lambda: ticks_case(lambda s: Leans(CONFIG.bends, calibration(), s), flat),
    "context": context_case,
    "floor": lambda: seconds_case(
        lambda s: Floor(CONFIG.floor, CONFIG.context, calibration(), s),
        lambda stage, p: stage.push(p[0], due(stream(*STORY).climbs, lambda c: c.known_s - 0.1, p)),
        lambda outs: [
            np.concatenate([o[0] for o in outs if isinstance(o, tuple)]),
            flat([o[1] if isinstance(o, tuple) else o for o in outs]),
        ],
    ),
    "chair": lambda: seconds_case(
        lambda s: Chair(CONFIG, calibration(), s),
        lambda stage, p: stage.push(p[0], due(stream(*STORY).movements, lambda m: m.peak_s + 3.2, p)),
        flat,
    ),
    "bends": lambda: seconds_case(
        lambda s: Bends(CONFIG.bends, calibration(), s),
        lambda stage, p: stage.push(p[0], due(stream(*STORY).leans, lambda x: x.end_s + CONFIG.bends.merge_s, p)),
        flat,
    ),
    "sitting": lambda: seconds_case(
        lambda s: Sitting(CONFIG, calibration(), s), lambda stage, p: stage.push(p[0]), sitting_whole
    ),
    "gaps": lambda: seconds_case(lambda s: Gaps(calibration().basis, s), lambda stage, p: stage.push(p[0]), flat),
    "mat": mat_case,
    "wear": wear_case,
    "reps": lambda: ticks_case(lambda s: Reps(CONFIG.reps, BOTH, s), flat),
    "reps on a mat": lambda: ticks_case(lambda s: Reps(CONFIG.reps, BOTH, s, on_mat=True), flat),
    "sets": sets_case,
    "holds": holds_case,
    "uprights": uprights_case,
    "slip": slip_case,
    "alerts": policy_case,
}
made = cache(lambda name: CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_any_split_and_a_pickle_anywhere_give_the_same_output(name: str) -> None:
    case = made(name)

    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        cuts = data.draw(cuts_of(case.size))
        check_stage(case, cuts, pickle_at=data.draw(st.one_of(st.none(), st.integers(0, len(cuts)))))

    check()


@pytest.mark.parametrize("name", CASES)
def test_a_cut_after_every_single_item_gives_the_same_output(name: str) -> None:
    case = made(name)
    every = range(1, min(case.size, 700))
    check_stage(case, list(every), pickle_at=len(every) // 2)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("movements", 20),
        ("climbs", 2),
        ("leans", 10),
        ("chair", 1),
        ("bends", 10),
        ("floor", 2),
        ("mat", 4),
        ("wear", 1),
        ("slip", 1),
        ("reps", 10),
        ("reps on a mat", 1),
        ("sets", 4),
        ("holds", 3),
        ("alerts", 1),
    ],
)
def test_the_input_makes_the_stage_say_something(name: str, least: int) -> None:
    """Without this an empty output would pass every comparison above."""
    case = made(name)
    whole = run(case, [])
    assert len(whole[-1] if name in ("floor", "wear", "sets") else whole) >= least


def pipeline_case(
    blocks: tuple[ImuBlock, ...],
    piece: Callable[[int, int], ImuBatch],
    size: int,
    *,
    sensors: tuple[Placement, ...] = BOTH,
) -> Case:
    specs = {p: SensorSpec(RATE_HZ, blocks[0].gyr_radps is not None) for p in sensors}

    def whole(outs: list[Output]) -> dict[str, Any]:
        return {
            "epochs": EpochBlock.joined([e for o in outs for e in o.epochs]),
            "events": flat([o.events for o in outs]),
            "alerts": flat([o.alerts for o in outs]),
        }

    return Case(
        make=lambda state: Pipeline(specs, calibration(sensors), CONFIG, state=state),
        size=size,
        piece=piece,
        push=lambda stage, p: stage.push(p),
        flush=lambda stage: stage.flush(),
        whole=whole,
    )


def rows_case(
    from_s: float, to_s: float, *, sensors: tuple[Placement, ...] = BOTH, gyro: bool = True, hurt: bool = False
) -> Case:
    blocks = window(from_s, to_s, sensors)
    if hurt:
        blocks = tuple(damaged(b, seed=9) for b in blocks)  # one seed: the sensors share the file's rows
    if not gyro:
        blocks = tuple(replace(b, gyr_radps=None) for b in blocks)
    return pipeline_case(blocks, lambda a, b: batch(blocks, a, b), len(blocks[0].time_s), sensors=sensors)


def radio_case() -> Case:
    return pipeline_case(radio(), lambda a, b: arrivals(radio(), a, b), 1500)


def segments_case() -> Case:
    """104, 26 and 52 Hz by clocks that drift, a reboot with a hole, and fits that come every few seconds, over a radio."""
    clock = CONFIG.clock.model_copy(
        update={"window_s": 2.0, "refit_s": 4.0, "slope_min_s": 20.0, "slope_se_max_ppm": 200.0}
    )
    sensors = []
    for seed, (placement, ppm) in enumerate(zip(BOTH, (80.0, -80.0), strict=True)):
        spans = ((0, 104.0, 0.0, 45.0), (1, 26.0, 45.0, 90.0), (2, 52.0, 93.0, 140.0))
        parts = (Part(Segment(k, hz), Device(ppm, 500.0 * k), a, b, 1000 * k) for k, hz, a, b in spans)
        sensors.append(Wearing(placement, tuple(parts), seed, start_s=STORY[0]))
    fits: list[tuple[float, ClockFit]] = []
    for sensor in sensors:
        estimator = ClockEstimator(sensor.placement, clock)
        for part, arrived_s in zip(sensor.parts, sensor.arrived_s, strict=True):
            last_s = part.device_s(np.arange(part.packets_n) * PACKET_N + PACKET_N - 1.0)
            for k in range(part.packets_n):
                one = slice(k, k + 1)
                found = estimator.push(Packets(part.segment.number, last_s[one], arrived_s[one]))
                fits += [(float(arrived_s[k]), fit) for fit in found]

    def piece(a: int, b: int) -> ImuBatch:
        low, high = 0.1 * a, 0.1 * b
        blocks = [block for s in sensors for block, _ in s.between(low, high)]
        return ImuBatch(tuple(blocks), high, tuple(fit for at, fit in fits if low < at <= high))

    assert sum(fit.drift_ppm != 0.0 for _, fit in fits) > 10
    return pipeline_case(window(*STORY), piece, 1410)


@cache
def workout() -> tuple[ImuBlock, ...]:
    """A simulated wearer: squats, then lunges that were declared, with daily life in between; two minutes and a half."""
    script = Script(person(7)).stand(8).set_of("squat", 5, breaks_at=3).walk(12).bend("rounded", 80.0).stand(9)
    return make(script.set_of("reverse_lunge", 5, side="right").stand(20)).blocks()


def workout_case() -> Case:
    blocks = workout()
    case = pipeline_case(blocks, lambda a, b: batch(blocks, a, b), len(blocks[0].time_s))
    specs = {p: SensorSpec(RATE_HZ, has_gyro=True) for p in BOTH}
    declared = (Declared(55.0, 90.0, "reverse_lunge"),)
    made = wear()
    return replace(case, make=lambda state: Pipeline(specs, made, CONFIG, workouts=declared, state=state))


def silence_case() -> Case:
    """A bend whose cue falls on the first moment of a snooze, and a way to the floor whose cue falls on the end of a pause."""
    case = rows_case(1690.0, 1830.0)
    asked = (UserAction(1754.0, Act.SNOOZE, 1790.0), UserAction(1780.52, Act.PAUSE), UserAction(1792.0, Act.RESUME))
    specs, made = {p: SensorSpec(RATE_HZ, has_gyro=True) for p in BOTH}, calibration(BOTH)
    silenced = replace(case, make=lambda state: Pipeline(specs, made, CONFIG, actions=asked, state=state))
    assert [(a.kind, a.raised_s) for a in run(case, [])["alerts"]] == [("bend", 1754.0), ("floor_transition", 1792.0)]
    assert [a.kind for a in run(silenced, [])["alerts"]] == ["floor_transition"]
    return silenced


PIPELINES: dict[str, Callable[[], Case]] = {
    "two sensors": lambda: rows_case(1500.0, 1900.0),
    "two sensors, damaged": lambda: rows_case(1690.0, 1900.0, hurt=True),
    "sacrum": lambda: rows_case(1690.0, 1830.0, sensors=(SACRUM,)),
    "upper lumbar": lambda: rows_case(1690.0, 1830.0, sensors=(Placement.UPPER_LUMBAR,)),
    "a workout": workout_case,
    "a silence": silence_case,
    "accelerometers only": lambda: rows_case(1690.0, 1830.0, gyro=False),
    "over a radio": radio_case,
    "segments and clocks": segments_case,
}
made_pipeline = cache(lambda name: PIPELINES[name]())


@pytest.mark.parametrize("name", PIPELINES)
def test_the_pipeline_gives_the_same_for_any_split_and_after_a_pickle(name: str) -> None:
    case = made_pipeline(name)

    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        cuts = data.draw(cuts_of(case.size, most=20))
        check_stage(case, cuts, pickle_at=data.draw(st.one_of(st.none(), st.integers(0, len(cuts)))))

    check()


def test_the_whole_excerpt_in_live_sized_pieces_raises_the_same_alerts() -> None:
    """Pieces of 5 samples, as a radio brings them, against the recording in one piece: alerts, events and epochs."""
    case = rows_case(0.0, 2750.0)
    whole = run(case, [])
    assert {str(a.kind) for a in whole["alerts"]} >= {"flexed_sitting", "bend", "floor_transition"}
    live = run(case, list(range(5, case.size, 5)))
    assert first_difference(whole, live) is None


def test_a_broken_stage_is_caught() -> None:
    """The check itself: a stage that forgets its open second at a cut must fail it."""

    class Forgetful(Epochs):
        def push(self, block: Any) -> EpochFeatures:
            out = super().push(block)
            self.state.open = self.state.open[:, :0]
            return out

    broken = replace(made("epochs"), make=Forgetful)
    with pytest.raises(AssertionError):
        check_stage(broken, [25])
