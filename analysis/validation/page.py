"""An evaluation as Markdown, and the accuracy page, whose marked parts are replaced and whose other text stays."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analysis.validation.evaluation import Dataset, Evaluation
from analysis.validation.measures import BIN_EDGES, Measure, Reliability, estimate, reliability
from posture.atomic import write_whole
from posture.types import InputError

DOTS_PER_INCH = 110


def text(dataset: Dataset, evaluation: Evaluation, *, images: str | None = None) -> str:
    """Tables, reliability and notes of one data set. images : folder of the figures, as the page names it; None: no figures."""
    kind = "Simulated signals" if dataset.simulated else "Real recordings"
    parts = [
        f"*{kind}.* {_sentence(dataset.what)}\n*What its truth is worth:* {dataset.truth}.\n*Licence:* {dataset.licence}."
    ]
    parts += [f"**{heading}**\n\n{measures(rows, over=dataset.over)}" for heading, rows in evaluation.tables.items()]
    if evaluation.claims:
        parts.append(f"**How far confidence can be believed**\n\n{reliabilities(reliability(evaluation.claims))}")
    if images is not None:
        parts += [f"![{dataset.name}: {name}]({images}/{image(name)})" for name in evaluation.figures]
    parts += evaluation.notes
    if evaluation.text:
        parts.append(evaluation.text)
    return "\n\n".join(parts)


def measures(rows: Sequence[Measure], *, over: str = "people") -> str:
    """A table: value, 95 % interval over people (or days), how much was scored, how many of them, the worst of them."""
    lines = [f"| | value | 95 % interval | n | {over} | worst |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        made = estimate(row)
        interval = "–" if np.isnan(made.low) else f"{value(row, made.low, bare=True)} to {value(row, made.high)}"
        worst = f"{value(row, made.worst_value)} ({made.worst})" if made.worst and len(row.people) > 1 else "–"
        n = f"{row.n:.1f}" if row.counts == "h" else f"{row.n:.0f}"
        cells = [row.name, value(row, made.value), interval, f"{n} {row.counts}", str(len(row.people)), worst]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def value(row: Measure, number: float, *, bare: bool = False) -> str:
    """A number with the digits and, unless bare, the unit of its measure; a dash where there is none."""
    if np.isnan(number):
        return "–"
    unit = "" if bare or not row.unit else row.unit if row.unit.startswith("/") else f" {row.unit}"
    return f"{number:.{row.digits}f}{unit}"


def reliabilities(rows: Sequence[Reliability]) -> str:
    """A table: per kind the share right in each bin of confidence (number of claims), and the expected calibration error."""
    edges = [f"{a:g}–{b:g}" for a, b in pairwise(BIN_EDGES)]
    head = ["share right where the confidence was", *edges, "n", "calibration error"]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for row in rows:
        cells = [f"{right:.2f} ({n:.0f})" if n else "–" for right, n in zip(row.right, row.n, strict=True)]
        lines.append(f"| {row.kind} | {' | '.join(cells)} | {row.n.sum():.0f} | {row.calibration_error:.2f} |")
    return "\n".join(lines)


def image(name: str) -> str:
    """File of a figure."""
    return f"accuracy_{name}.png"


def png(figure: Figure) -> bytes:
    """The same bytes for the same figure."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return out.getvalue()


def replaced(page: str, name: str, content: str, *, where: str) -> str:
    """The page with what stands between the markers of `name` replaced; InputError where it has no such markers."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InputError(f"{where} has no place for {name}; put the lines {begin} and {end} where its tables belong")
    return f"{before}{begin}\n{content}\n{end}{after}"


def write_docs(path: Path, dataset: Dataset, evaluation: Evaluation) -> None:
    """Put the tables into the page and the figures into `img` beside it."""
    page = read_page(path)
    made = replaced(page, dataset.name, text(dataset, evaluation, images="img"), where=str(path))
    for name, content in pictures(evaluation).items():
        write_whole(path.parent / "img" / name, content)
    write_whole(path, made)


def read_page(path: Path) -> str:
    """Its text; InputError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); name the page whose tables are to be replaced"
        ) from error


def pictures(evaluation: Evaluation) -> Mapping[str, bytes]:
    """File name -> PNG."""
    return {image(name): png(figure) for name, figure in evaluation.figures.items()}


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
