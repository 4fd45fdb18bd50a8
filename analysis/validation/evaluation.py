"""What an adapter is and what it gives back: the measures, claims, figures and notes of one labelled data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from analysis.validation.measures import Claim, Measure
from posture.types import Placement

Progress = Callable[[float], None]
WEARS: dict[str, tuple[Placement, ...]] = {
    "both sensors": tuple(Placement),
    "sacrum only": (Placement.SACRUM,),
    "upper lumbar only": (Placement.UPPER_LUMBAR,),
}


@dataclass(slots=True)
class Evaluation:
    """tables : heading -> rows. claims : for the reliability table. notes : what was run and what was refused. figures : name of
    the file -> figure. text : further Markdown. failures : floors that were missed, a line each.
    """

    tables: Mapping[str, Sequence[Measure]]
    claims: Sequence[Claim] = ()
    notes: Sequence[str] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    text: str = ""
    failures: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """One labelled data set.

    name : as typed. what, truth, licence : a sentence each, `truth` on what its labels are worth. simulated : whether the
    signals are. place : its folder in the data folder. pattern : its files there. evaluate : files -> what was measured.
    tuned : recordings that thresholds were chosen on; they are scored for the author and never written into the docs.
    fits : whether a file that the pattern names is one of this set. over : what the intervals are over.
    smoothed : the same with the orientation smoothed, as `posture replay --smooth`; None where that is not offered.
    """

    name: str
    what: str
    truth: str
    licence: str
    simulated: bool
    place: str
    pattern: str
    evaluate: Callable[[Sequence[Path], Progress], Evaluation]
    tuned: frozenset[str] = frozenset()
    fits: Callable[[Path], bool] = Path.is_file
    over: str = "people"
    smoothed: Callable[[Sequence[Path], Progress], Evaluation] | None = None

    def files(self, root: Path) -> list[Path]:
        """Its files under a data folder, or in a folder that is its own."""
        for folder in (root / self.place, root):
            if found := sorted(p for p in folder.glob(self.pattern) if self.fits(p)):
                return found
        return []


def each(files: Sequence[Path], progress: Progress) -> Iterator[Path]:
    """The files one after the other, with the share that is done told before each."""
    for done, path in enumerate(files):
        progress(done / len(files))
        yield path


def part_of(progress: Progress, k: int, parts: int) -> Progress:
    """Progress of part k of so many equal ones, told as progress of the whole."""
    return lambda share: progress((k + share) / parts)
