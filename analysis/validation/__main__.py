"""`python -m analysis.validation DAY_STEM ... [--smooth] [--docs docs/accuracy.md]`: replay labelled days and score them.

Each day is replayed with both sensors, the sacrum alone and the upper lumbar alone. With --docs the tables are put between the
markers of that page. Fails (exit 1) where a mean over the days misses its floor.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from analysis.validation.score import Score
from analysis.validation.tables import FLOORS, failures, page
from posture.outputs import Staging
from posture.replay import ReplayRequest, prepare, records, run, write_records
from posture.types import InputError, Placement

WEARS: dict[str, tuple[Placement, ...]] = {
    "both sensors": tuple(Placement),
    "sacrum only": (Placement.SACRUM,),
    "upper lumbar only": (Placement.UPPER_LUMBAR,),
}


def replay_and_score(stem: Path, sensors: tuple[Placement, ...], *, smooth: bool = False) -> Score:
    """One labelled day through the pipeline with these sensors."""
    from analysis.validation.score import score_day

    recording, poses = (stem.with_name(stem.name + end) for end in (".parquet", ".poses.json"))
    prepared = prepare(ReplayRequest(recording, poses=poses, sensors=sensors, smooth=smooth))
    result = run(prepared, prepared.recording.batches())
    with tempfile.TemporaryDirectory() as folder:
        with Staging(Path(folder)) as staging:
            write_records(staging.path, records(prepared, result))
            staging.commit()
        return score_day(Path(folder), stem)


def main() -> int:
    """Score the days, print the tables, say which floor is missed."""
    parser = argparse.ArgumentParser(prog="python -m analysis.validation", description=__doc__)
    parser.add_argument(
        "stems", nargs="+", type=Path, metavar="DAY_STEM", help="path of a labelled day without .parquet"
    )
    parser.add_argument("--docs", type=Path, help="page whose marked part is replaced")
    parser.add_argument("--smooth", action="store_true", help="smooth the orientation, as posture replay --smooth does")
    given = parser.parse_args()
    scores: dict[str, dict[str, Score]] = {}
    try:
        for wear, sensors in WEARS.items():
            scores[wear] = {stem.name: replay_and_score(stem, sensors, smooth=given.smooth) for stem in given.stems}
    except (InputError, FileNotFoundError) as error:
        parser.error(str(error))
    text = page(scores)
    print(text)  # noqa: T201
    if given.docs is not None:
        from posture.atomic import write_whole

        before, _, rest = given.docs.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        write_whole(given.docs, f"{before}{BEGIN}\n{text}\n{END}{after}")
    missed = failures(list(scores["both sensors"].values()))
    for line in missed:
        print(line)  # noqa: T201
    print(f"{len(FLOORS) - len(missed)} of {len(FLOORS)} floors met")  # noqa: T201
    return 1 if missed else 0


BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

if __name__ == "__main__":
    raise SystemExit(main())
