"""A PDF by matplotlib alone, where weasyprint or its Pango is missing: text pages, then a page for each figure."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

A4_INCH = (8.27, 11.69)
COLUMNS, LINES = 108, 72  # of text on a page at 8 points
MARGIN = 0.07
HOW = "Made without weasyprint: the HTML report has the tables and links."


def plain_pdf(title: str, lines: Sequence[str], figures: Sequence[tuple[str, str, Figure]] = ()) -> bytes:
    """Lines : paragraphs; one that begins with `# ` is a heading. figures : title, caption, figure; their size is changed.

    The same input gives the same bytes.
    """
    out = io.BytesIO()
    with PdfPages(
        out, metadata={"Title": title, "CreationDate": datetime(2000, 1, 1), "Creator": "posture-monitor"}
    ) as pages:
        for page in _pages([f"# {title}", *lines, "", HOW]):
            pages.savefig(page)
        for name, caption, figure in figures:
            pages.savefig(_with_caption(name, caption, figure))
    return out.getvalue()


def _pages(lines: Sequence[str]) -> Iterator[Figure]:
    rows: list[tuple[str, bool]] = []
    for line in lines:
        head = line.startswith("# ")
        text = line.removeprefix("# ")
        rows += [("", False)] if head and rows else []
        rows += [
            (part, head) for part in textwrap.wrap(text, COLUMNS, subsequent_indent="" if head else "    ") or [""]
        ]
    for first in range(0, len(rows), LINES):
        figure = Figure(figsize=A4_INCH)
        for k, (text, head) in enumerate(rows[first : first + LINES]):
            y = 1 - MARGIN - k * (1 - 2 * MARGIN) / LINES
            # A dollar sign is text here, not mathematics.
            weight = "bold" if head else "normal"
            figure.text(MARGIN, y, text.replace("$", r"\$"), fontsize=9 if head else 8, weight=weight, va="top")
        yield figure


def _with_caption(name: str, caption: str, figure: Figure) -> Figure:
    # Above the figure, because the legends are below it.
    figure.suptitle("\n".join([name, *textwrap.wrap(caption, 140)]), x=0.01, ha="left", fontsize=9)
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.set(w_pad=0.2, h_pad=0.2)  # type: ignore[call-arg]  # inch from the edge of the paper
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 1.1)
    return figure
