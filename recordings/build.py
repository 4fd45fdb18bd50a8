"""Make the recordings of this folder, their catalogue and its README from the labelled data (a developer's script).

    python recordings/build.py --shared ../shared

`--shared` (default: POSTURE_SHARED, else ../shared) names the folder with `data/` and `tools/`. Everything is replaced;
the same inputs and library versions give the same bytes. Nothing in the product runs this.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from posture.recording import column_names, open_recording, write_sample_file
from posture.types import InputError, Placement

HERE = Path(__file__).resolve().parent
FORMAT_VERSION = 1
SIZE_MAX_BYTES = 15_000_000
NOT_CATALOGUED = ("README.md", "build.py", "catalogue.json")

DAY_SEED, DAY_HOURS, DAY_LOSS = 43, 0.7, 0.01
"""Of the seeds 41-49 the one whose first 45 minutes hold a sitting alert, both floor directions and all the rest."""
DAY_START_UTC, DAY_ZONE = "2026-03-02T08:00:00Z", "Europe/London"

TRIALS = {
    "02_06": "bends over, scoops something up and rises, six times, rounded",
    "02_07": "sword play with forward leans, the back mostly neutral",
    "02_10": "washes himself, bending to the legs, rounded",
    "14_14": "jumping jacks, jogging, squats and stretches, the back neutral in the squats",
    "14_20": "jumping jacks, side twists, reaches up and bends over to the floor, rounded",
    "14_28": "sits down on a high stool and stands up again, several times",
    "14_31": "sits down on a stepstool and stands up again, twice",
    "14_32": "sits down on a stepstool and stands up again, several times",
}
NOISE_SEED = 20260302
TRIAL_CONTEXT = {
    "stand": "standing",
    "locomotion": "walking",
    "sit": "sitting",
    "lie": "lying",
    "floor": "other",  # "hip below 0.45 leg lengths": in these trials deep squats, nobody is on the floor
    "dynamic": "other",
}
BROAD = "broad_11_undisturbed_slow_translation_B_95hz.npz"
LUMBAR_PLACEMENT = Placement.UPPER_LUMBAR
"""The source says "lumbar" and no level; see `what_it_is_worth` in the catalogue."""
SKDH_RISES_S = {
    "stillness": [[23.24, 24.65], [36.60, 38.24], [81.64, 83.31]],
    "displacement": [[85.03, 88.32], [89.19, 91.00]],
}

CMU = {
    "source": "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu; BVH conversion by B. Hahne (cgspeed)",
    "licence": "free for research and commercial projects worldwide (CMU)",
    "licence_file": "licences/CMU-mocap.txt",
    "attribution": "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with "
    "funding from NSF EIA-0196217.",
}
_SIGNALS = (
    "The signals of both sensors are computed from the motion, with the noise, bias, scale error, misalignment and "
    "16-bit steps of a consumer 6-axis part"
)
_FLEXION = (
    "Pelvis and trunk inclination are the measured body's (0.5-1 deg against the markers); flexion is 0.8 x the "
    "measured pelvis-to-thorax angle, so its scale is uncertain by 15 %; no soft tissue moves."
)


def main() -> None:
    """Build everything, then check it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = Path(os.environ.get("POSTURE_SHARED", HERE.parent.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=default, help="folder of the labelled data")
    shared = parser.parse_args().shared.resolve()
    if not (shared / "data" / "motion" / "manifest.csv").is_file():
        sys.exit(f"{shared} holds no labelled data; name its folder with --shared.")
    for old in HERE.glob("*"):
        if old.suffix in {".parquet", ".npz"} or (old.suffix == ".json" and old.name != "catalogue.json"):
            old.unlink()
    recordings = [_day(shared), *(_trial(shared, name) for name in TRIALS), _lumbar(shared), _broad(shared)]
    catalogue = {
        "format_version": FORMAT_VERSION,
        "recordings": recordings,
        "licences": [_file(p, "licence text") for p in sorted((HERE / "licences").iterdir())],
    }
    _write_json(HERE / "catalogue.json", catalogue)
    (HERE / "README.md").write_text(render(catalogue), encoding="utf-8")
    total = sum(p.stat().st_size for p in HERE.rglob("*") if p.is_file())
    if total > SIZE_MAX_BYTES:
        sys.exit(f"The recordings take {total} bytes; {SIZE_MAX_BYTES} are allowed: leave one out.")
    sys.stdout.write(f"{len(recordings)} recordings, {total / 1e6:.1f} MB\n")


def _day(shared: Path) -> dict[str, Any]:
    """A whole short labelled day, as the generator made it; nothing is cut."""
    tool = shared / "tools" / "motion" / "labelled_day.py"
    with tempfile.TemporaryDirectory() as folder:
        stem = Path(folder) / "day"
        command = [sys.executable, tool, shared / "data" / "motion", stem, "--seed", DAY_SEED, "--hours", DAY_HOURS]
        subprocess.run([str(c) for c in [*command, "--loss", DAY_LOSS]], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        signals = pd.read_parquet(stem.with_name("day.parquet"))
        truth = pd.read_parquet(stem.with_name("day.truth.parquet"))
        events = json.loads(stem.with_name("day.events.json").read_text())
        meta = json.loads(stem.with_name("day.poses.json").read_text())
    score = _module(shared / "tools" / "score.py")
    alerts_s = score.expected_sitting_alerts(score.epoch_truth(truth), meta["rom_deg"])
    origin = "simulated: recorded and parametric motion, computed sensor signals, invented clock"
    files = _write("day_excerpt", signals, truth, events, meta, origin=origin, start_utc=DAY_START_UTC, zone=DAY_ZONE)
    return _entry(
        "day_excerpt",
        files,
        **CMU,
        what=f"A short day of one wearer ({meta['rom_deg']} deg of lumbar range): calibration poses, slumped desk "
        "work until the sitting alert is due, chair rises, walking, bends with rounded and neutral back, "
        "to the floor and up.",
        kind="simulated",
        how=f"labelled_day.py --seed {DAY_SEED} --hours {DAY_HOURS} --loss {DAY_LOSS}, uncut. Walking, some bends and "
        f"one chair rise are recorded motion (`real` in the events), the rest is parametric. {_SIGNALS}, turned "
        "by a random mounting of about 15 deg. 1 % of the radio frames and two longer stretches are lost. "
        "The clock is invented.",
        what_it_is_worth=f"{_FLEXION} Desk sitting and floor transitions are parametric: a result on them shows that "
        "the pipeline does what it says, not how people sit.",
        labels={
            "events": _counts(events),
            "context_s": _context_s(truth),
            "calibration_end_s": round(meta["calibration_end_s"], 2),
            "rom_deg": meta["rom_deg"],
            "sitting_alert_due_s": alerts_s,
            "story": _story(events, meta["calibration_end_s"], alerts_s),
        },
    )


def _story(events: list[dict[str, Any]], calibration_end_s: float, alerts_s: list[float]) -> list[list[Any]]:
    """[from_s, to_s, what] in order; bends that follow each other are one line."""
    story: list[list[Any]] = [[0.0, round(calibration_end_s, 1), "calibration poses"]]
    story += [[a, a, "sitting alert due"] for a in alerts_s]
    for is_bend, group in groupby(events, lambda e: e["type"] == "bend"):
        run = list(group)
        for part in [run] if is_bend else [[e] for e in run]:
            first = part[0]
            words = " ".join(filter(None, (first.get("style"), first.get("cls"), first["type"])))
            if is_bend:
                words = ", ".join(f"{kind} x{n}" for kind, n in _counts(part).items())
            story.append([round(first["t0"], 1), round(part[-1]["t1"], 1), words])
    return sorted(story)


def _trial(shared: Path, name: str) -> dict[str, Any]:
    """One recorded trial of motion capture with part noise on its ideal signals."""
    mocap_imu = _module(shared / "tools" / "motion" / "mocap_imu.py")
    with np.load(shared / "data" / "motion" / f"{name}.npz") as z:
        trial = {k: z[k] for k in z.files}
    rate_hz = float(trial["fs"])
    time_s = np.arange(len(trial["acc_s"])) / rate_hz
    signals: dict[str, Any] = {"time_s": time_s}
    for number, (placement, mark) in enumerate(((Placement.SACRUM, "s"), (Placement.UPPER_LUMBAR, "l"))):
        rng = np.random.default_rng([NOISE_SEED, *map(int, name.split("_")), number])
        ideal = (trial[f"{kind}_{mark}"].astype(float) for kind in ("acc", "gyr"))
        for kind, noisy in zip(("acc", "gyr"), mocap_imu.mems(*ideal, rate_hz, rng), strict=True):
            signals |= dict(zip(column_names(placement, kind), noisy.astype(np.float32).T, strict=True))
    column = {c: trial["truth"][:, i] for i, c in enumerate(trial["truth_cols"])}
    truth = pd.DataFrame(
        {
            "time_s": time_s,
            "context": pd.Categorical([TRIAL_CONTEXT[str(trial["ctx_names"][c])] for c in trial["ctx"]]),
            "sacrum_inclination_deg": column["pel_incl"].round(2),
            "upper_lumbar_inclination_deg": column["lum_incl"].round(2),
            "flexion_deg": column["lumbar_flex"].round(2),
        }
    )
    kept = ("type", "cls", "shape", "t0", "t1", "frac_of_max")
    renamed = {"lum_pk": "trunk_peak_deg", "pel_pk": "sacrum_peak_deg", "lf_pk": "flexion_peak_deg"}
    events = [
        {k: e[k] for k in kept if k in e} | {new: e[old] for old, new in renamed.items() if old in e} | {"real": True}
        for e in json.loads(str(trial["events"]))
        if e["type"] in ("bend", "sit_to_stand", "stand_to_sit")
    ]
    lf_max_deg = round(float(trial["lf_max"]), 1)
    neutral_deg = dict(zip((p.value for p in Placement), np.round(trial["neutral"][:2].astype(float), 2), strict=True))
    meta = {"poses": {}, "calibration_end_s": 0.0, "rom_deg": lf_max_deg}
    origin = "simulated sensor signals on recorded motion (CMU motion capture)"
    return _entry(
        f"mocap_{name}",
        _write(f"mocap_{name}", pd.DataFrame(signals), truth, events, meta, origin=origin),
        **CMU,
        what=f"CMU trial {name}: {TRIALS[name]}.",
        kind="simulated signals, recorded motion",
        how=f"The motion is recorded. {_SIGNALS} (seed {NOISE_SEED}); the sensors' axes are the segments', without a "
        "mounting turn.",
        what_it_is_worth=f"{_FLEXION} Truth is relative to the person's neutral stand, the signals are not: add "
        "`neutral_deg` to compare without a calibration. A bend is rounded from 0.60 of the person's largest flexion "
        "(`rom_deg`) and neutral up to 0.45. There are no calibration poses.",
        labels={
            "events": _counts(events),
            "context_s": _context_s(truth),
            "rom_deg": lf_max_deg,
            "neutral_deg": neutral_deg,
        },
    )


def _lumbar(shared: Path) -> dict[str, Any]:
    """The real lumbar accelerometer recording of scikit-digital-health, its axes renamed to the nominal ones."""
    table = pq.read_table(shared / "data" / "real" / "peer" / "skdh_s2s_lumbar.parquet").to_pandas()
    # Right-handed: x points down and z backwards on the person, so forward = -z, left = -y, up = -x.
    nominal = (-table["acc_z"], -table["acc_y"], -table["acc_x"])
    signals = pd.DataFrame(
        {"time_s": table["time"].to_numpy()} | dict(zip(column_names(LUMBAR_PLACEMENT, "acc"), nominal, strict=True))
    )
    events = [
        {"type": "sit_to_stand", "t0": t0, "t1": t1, "real": True, "said_by": f"skdh {mode}"}
        for mode, spans in SKDH_RISES_S.items()
        for t0, t1 in spans
    ]
    origin = "recorded with a lumbar accelerometer (scikit-digital-health test data)"
    return _entry(
        "skdh_sit_to_stand",
        _write("skdh_sit_to_stand", signals, None, events, None, origin=origin),
        source="scikit-digital-health, PfizerRD/scikit-digital-health, tests/sit2stand/data/s2s_input_data.npz",
        licence="MIT, Copyright (c) 2021. Pfizer Inc.",
        licence_file="licences/scikit-digital-health-MIT.txt",
        attribution="scikit-digital-health, Copyright (c) 2021. Pfizer Inc.",
        what="A real person sits and stands up several times; accelerometer only.",
        kind="recorded",
        how="Recorded. Changed: float32, axes turned to x forward, y left, z up (from x down, z backwards, read off "
        "the upright signal and the lean of each rise). There is no gyroscope in it.",
        what_it_is_worth="The times of the rises are what two modes of skdh's algorithm gave, not what a video showed. "
        f"The source says `lumbar` and no level: {LUMBAR_PLACEMENT.value} is assumed. In sitting it tilts back by "
        "about 30 deg against standing, which is more like a sensor at the belt line.",
        labels={"events": _counts(events), "rises_by_skdh_s": SKDH_RISES_S},
    )


def _broad(shared: Path) -> dict[str, Any]:
    """A BROAD trial, byte for byte as in the labelled data."""
    target = HERE / "broad_11.npz"
    shutil.copyfile(shared / "data" / "fusion" / BROAD, target)
    with np.load(target) as z:
        rate_hz, rows, scored = float(z["fs"]), len(z["acc"]), int(z["movement"].sum())
    return {
        "name": "broad_11",
        "what": "An IMU moved by hand, slow translation without disturbance, with its optically measured orientation.",
        "kind": "recorded",
        "how": "Recorded at 285.7 Hz with an OptiTrack system beside it. Changed: down-sampled, float32, subset.",
        "source": "BROAD, D. Laidig, M. Caruso, A. Cereatti, T. Seel: BROAD - A Benchmark for Robust Inertial "
        "Orientation Estimation, Data 6(7):72, 2021, doi 10.3390/data6070072; trial 11",
        "licence": "CC BY 4.0",
        "licence_file": "licences/BROAD-CC-BY-4.0.txt",
        "attribution": "D. Laidig, M. Caruso, A. Cereatti, T. Seel: BROAD, doi 10.3390/data6070072, CC BY 4.0. "
        "Changed: down-sampled, float32, subset.",
        "what_it_is_worth": "Optical orientation (`quat`, w x y z, sensor to east-north-up; NaN where markers were "
        "lost) is independent of the IMU; score only where `movement` is set. Not worn: for the orientation filter.",
        "placements": [],
        "rate_hz": rate_hz,
        "duration_s": round(rows / rate_hz, 2),
        "labels": {"scored_samples": scored},
        "files": [_file(target, "npz: acc m/s^2, gyr rad/s, mag uT, quat, movement, fs")],
    }


def _write(
    name: str,
    signals: pd.DataFrame,
    truth: pd.DataFrame | None,
    events: list[dict[str, Any]],
    meta: dict[str, Any] | None,
    *,
    origin: str,
    start_utc: str | None = None,
    zone: str | None = None,
) -> list[dict[str, Any]]:
    path = HERE / f"{name}.parquet"
    columns = {str(c): signals[c].to_numpy() for c in signals.columns}
    write_sample_file(path, columns, start_utc=start_utc, zone=zone, origin=origin)
    files = [_file(path, "sample file")]
    if truth is not None:
        path = HERE / f"{name}.truth.parquet"
        truth.to_parquet(path, compression="zstd", compression_level=19, index=False)
        files.append(_file(path, "truth: context, inclinations and flexion per sample"))
    _write_json(HERE / f"{name}.events.json", events)
    files.append(_file(HERE / f"{name}.events.json", "labelled events"))
    if meta is not None:
        _write_json(HERE / f"{name}.poses.json", meta)
        files.append(_file(HERE / f"{name}.poses.json", "calibration poses"))
    return files


def _entry(name: str, files: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    info = open_recording(HERE / f"{name}.parquet").info
    return {
        "name": name,
        **facts,
        "placements": [p.value for p in info.present],
        "rate_hz": info.rate_hz,
        "duration_s": round(info.last_s - info.first_s, 2),
        "files": files,
    }


def _file(path: Path, role: str) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "file": path.relative_to(HERE).as_posix(),
        "role": role,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _counts(events: list[dict[str, Any]]) -> dict[str, int]:
    words = [" ".join(filter(None, (e.get("cls"), e["type"]))) for e in events]
    return {w: words.count(w) for w in sorted(set(words))}


def _context_s(truth: pd.DataFrame) -> dict[str, float]:
    step_s = float(np.median(np.diff(truth["time_s"])))
    return {str(k): round(n * step_s, 1) for k, n in truth["context"].value_counts(sort=False).items() if n}


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file; check --shared.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def render(catalogue: dict[str, Any]) -> str:
    """README.md, from the catalogue alone."""
    recordings = catalogue["recordings"]
    lines = [
        "# Recordings",
        "",
        "Small recordings that the demo and the tests use. `catalogue.json` says the same for programs, with the size "
        "and sha256 of every file; `build.py` makes all of it from the labelled data. Play one with",
        "",
        "    posture replay recordings/day_excerpt.parquet --poses recordings/day_excerpt.poses.json --out out",
        "",
        "Beside `NAME.parquet` (sample file) stand `NAME.truth.parquet` (context, inclinations, flexion per sample), "
        "`NAME.events.json` (labels) and `NAME.poses.json` (calibration), where there are such.",
        "",
        "| recording | kind | sensors | rate, Hz | length, s | kB | what |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in recordings:
        size_kb = sum(f["bytes"] for f in r["files"]) / 1000
        figures = [f"{r['rate_hz']:g}", f"{r['duration_s']:.0f}", f"{size_kb:.0f}"]
        cells = [f"`{r['name']}`", r["kind"], ", ".join(r["placements"]) or "none: hand-held", *figures, r["what"]]
        lines.append(f"| {' | '.join(cells)} |")
    for (kind, how, worth), group in groupby(recordings, lambda r: (r["kind"], r["how"], r["what_it_is_worth"])):
        alike = list(group)
        lines += ["", f"## {', '.join(r['name'] for r in alike)}: {kind}", "", f"* How: {how}"]
        lines += [f"* What it is worth: {worth}", f"* Source: {alike[0]['source']}"]
        lines += [f"* Licence: {alike[0]['licence']} ([text]({alike[0]['licence_file']}))"]
        lines += [f"* Labels of `{r['name']}`: {_labels(r['labels'])}" for r in alike]
        for from_s, to_s, what in alike[0]["labels"].get("story", []):
            when = f"{from_s:.0f}" if from_s == to_s else f"{from_s:.0f}-{to_s:.0f}"
            lines.append(f"    * {when} s: {what}")
    lines += ["", "## Acknowledgements", ""]
    lines += [f"* {text}" for text in dict.fromkeys(r["attribution"] for r in recordings)]
    lines += ["", "Nothing of qmt, HAPT, SisFall, UMAFall or mobgap is here."]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, Any]) -> str:
    return "; ".join(f"{k} {json.dumps(v, ensure_ascii=False)}" for k, v in labels.items() if k != "story")


if __name__ == "__main__":
    main()
