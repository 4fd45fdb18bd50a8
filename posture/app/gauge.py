"""Bars made of characters: pure text, one function each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Scale:
    """An angle's name and range, deg; flexed_at_deg : from where sitting counts as flexed, None where that is not judged."""

    name: str
    low_deg: float
    high_deg: float
    flexed_at_deg: float | None

    def place(self, angle_deg: float, width: int) -> int:
        """Column of an angle on a bar of `width`; outside of the range its edge."""
        share = (angle_deg - self.low_deg) / (self.high_deg - self.low_deg)
        return int(np.clip(round(share * (width - 1)), 0, width - 1))


def gauge(angle_deg: float, scale: Scale, width: int, *, plain: bool) -> tuple[str, str]:
    """The bar and the line of labels under it. NaN: a bar without a pointer. plain : ASCII only."""
    dot, zero, pointer = ("-", "|", "O") if plain else ("·", "│", "●")
    marks = [dot] * width
    marks[scale.place(0.0, width)] = zero
    if scale.flexed_at_deg is not None:
        marks[scale.place(scale.flexed_at_deg, width)] = "+"
    if not np.isnan(angle_deg):
        marks[scale.place(angle_deg, width)] = pointer
    wanted = [(scale.place(0.0, width), "0 upright")]
    if scale.flexed_at_deg is not None:
        wanted.insert(0, (scale.place(scale.flexed_at_deg, width), f"+ sitting flexed {scale.flexed_at_deg:.0f}"))
    wanted += [(0, f"{scale.low_deg:.0f}"), (width - len(f"{scale.high_deg:.0f}"), f"{scale.high_deg:.0f}")]
    labels = [" "] * width
    for at, text in wanted:
        at = min(at, width - len(text))
        if "".join(labels[max(0, at - 1) : at + len(text) + 1]).strip():
            text = text.split()[0]  # no room for the words: the number or the sign alone, if that fits
            if "".join(labels[max(0, at - 1) : at + len(text) + 1]).strip():
                continue
        labels[at : at + len(text)] = text
    return "".join(marks), "".join(labels).rstrip()


def bar(share: float, width: int, *, mark: float, plain: bool) -> str:
    """A filled bar of a share 0-1 with a line at `mark`."""
    full, empty, line = ("#", ".", "|") if plain else ("█", "░", "┃")
    filled = round(min(max(share, 0.0), 1.0) * width)
    cells = [full] * filled + [empty] * (width - filled)
    cells[min(width - 1, round(mark * width))] = line
    return "".join(cells)
