"""`python -m analysis.validation.synth --seed N --hours H --out STEM`: a simulated labelled day on disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.validation.synth.day import LEAST_H, example, make, write
from analysis.validation.synth.faults import FAULTS
from posture.types import InputError

_ABOUT = """Make a simulated day of a person with two sensors on the lower back, with its truth.

Writes STEM.parquet (samples), STEM.truth.parquet (context and angles per sample), STEM.events.json (what happened) and
STEM.poses.json (the calibration routine). Everything is made from rigid-body motion and marked as simulated: a result on it
shows that the program does what it says, not how people move. What is assumed: docs/generator.md.

The same seed makes the same person, day and bytes."""
_NEXT = """examples:
  python -m analysis.validation.synth --seed 7 --hours 1 --out day_7
  python -m analysis.validation.synth --seed 7 --hours 1 --out day_7_bad --fault lost_frames=0.05 --fault link_gaps
  posture replay day_7.parquet --poses day_7.poses.json --out day_7_said
  posture validate days --data .               score it"""


def main(argv: list[str] | None = None) -> int:
    """Make the day, say what was written."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.validation.synth",
        description=_ABOUT,
        epilog=_NEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which person and day (default 1)")
    parser.add_argument(
        "--hours", type=float, default=1.0, metavar="H", help=f"length, at least {LEAST_H:g} (default 1)"
    )
    parser.add_argument("--out", type=Path, metavar="STEM", help="where, without an ending: folder/day_7")
    parser.add_argument(
        "--rate", type=float, default=50.0, metavar="HZ", help="20 to 200 samples a second (default 50)"
    )
    parser.add_argument("--limited-rom", action="store_true", help="a person with 26-34 deg of lumbar range")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="something goes wrong; may be given more than once; see --list",
    )
    parser.add_argument("--replace", action="store_true", help="write over files of that name")
    parser.add_argument("--list", action="store_true", help="list the faults and stop")
    given = parser.parse_args(argv)
    if given.list:
        for name, fault in FAULTS.items():
            print(f"{name:12} {fault.says} (default {fault.value:g} {fault.unit})")  # noqa: T201
        return 0
    if given.out is None:
        parser.error("say where to write with --out STEM, for example --out day_7")
    try:
        faults = [_fault(text) for text in given.fault]
        script = example(given.seed, given.hours, rate_hz=given.rate, limited_rom=given.limited_rom)
        made = make(script, faults=faults)
        for path in write(made, given.out, overwrite=given.replace):
            print(path)  # noqa: T201
    except InputError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"cannot write {given.out} ({error.strerror}); choose another --out")
    print(f"{made.origin}; {made.track.time_s[-1] / 3600:.2f} h, {len(made.track.events)} events")  # noqa: T201
    return 0


def _fault(text: str) -> str | tuple[str, float]:
    name, equals, value = text.partition("=")
    if not equals:
        return name
    try:
        return name, float(value)
    except ValueError:
        raise InputError(f"--fault {text}: {value!r} is no number; write {name}=0.05, for example") from None


if __name__ == "__main__":
    raise SystemExit(main())
