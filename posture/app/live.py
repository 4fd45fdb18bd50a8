"""The live terminal view: angle, context, meter, last event and alerts, drawn from what the pipeline just said.

On a terminal it is one panel that is redrawn; elsewhere (a pipe, a log) it is one line per event and alert.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from posture.pipeline import Output
from posture.types import CONTEXT_NAMES, Alert, AngleBlock, EpochBlock, EventKind, PostureEvent, Verdict

_GAUGE = 40
_SHOWN_KINDS = {
    EventKind.BEND: "bend",
    EventKind.SIT_TO_STAND: "stood up",
    EventKind.STAND_TO_SIT: "sat down",
    EventKind.FLOOR_TRANSITION: "floor transition",
    EventKind.SIT_TO_LIE: "lay down",
    EventKind.LIE_TO_SIT: "sat up",
    EventKind.FLEXED_SITTING: "sitting in flexion, ended",
    EventKind.GAP: "no data",
}


def clock_text(time_s: float) -> str:
    """Seconds of the recording as h:mm:ss."""
    whole = int(time_s)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def event_text(event: PostureEvent) -> str:
    """One line on an event: when, what, how, on which basis. An unknown verdict is said as unknown."""
    parts = [clock_text(event.start_s), _SHOWN_KINDS[event.kind]]
    if event.kind is EventKind.BEND:
        least = "at least " if event.evidence.get("at_least") else ""
        parts.append(f"{least}{event.peak_deg:.0f} deg")
    if event.kind is EventKind.FLEXED_SITTING:
        parts.append(f"{(event.end_s - event.start_s) / 60:.1f} min")
    elif event.kind is not EventKind.GAP:
        said = "not judged" if event.verdict is Verdict.UNKNOWN else str(event.verdict)
        parts.append(f"{said} (basis {event.basis}, confidence {event.confidence:.2f})")
    return "  ".join(parts)


@dataclass(slots=True)
class View:
    """What is on the screen now. `update` takes the outputs in order; `render` and `lines` show them."""

    title: str
    first_s: float
    last_s: float
    two_sensors: bool
    flexed_at_deg: float | None
    now_s: float = 0.0
    angle_deg: float = float("nan")
    context: str = "unknown"
    confidence: float = 0.0
    creep: float = 0.0
    flexed: int = -1
    counts: dict[str, int] = field(default_factory=dict)
    events: deque[PostureEvent] = field(default_factory=lambda: deque(maxlen=4))
    alerts: deque[Alert] = field(default_factory=lambda: deque(maxlen=4))
    alerts_n: int = 0

    def update(self, output: Output, until_s: float) -> None:
        """Newest angle, decided second, events and alerts."""
        self.now_s = until_s
        for angle in output.angles:
            self._angle(angle)
        for epochs in output.epochs:
            self._epoch(epochs)
        for event in output.events:
            self.events.append(event)
            self.counts[event.kind] = self.counts.get(event.kind, 0) + 1
        self.alerts.extend(output.alerts)
        self.alerts_n += len(output.alerts)

    def _angle(self, angle: AngleBlock) -> None:
        if len(angle):
            lowest = np.where(
                np.isnan(angle.sacrum_inclination_deg), angle.upper_lumbar_inclination_deg, angle.sacrum_inclination_deg
            )
            self.angle_deg = float((angle.flexion_deg if self.two_sensors else lowest)[-1])

    def _epoch(self, epochs: EpochBlock) -> None:
        self.context = CONTEXT_NAMES[int(epochs.context[-1])]
        self.confidence = float(epochs.context_confidence[-1])
        self.creep, self.flexed = float(epochs.creep[-1]), int(epochs.flexed[-1])

    def render(self) -> RenderableType:
        """The panel."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", min_width=16)
        grid.add_column(min_width=_GAUGE + 12)
        name = "lumbar flexion" if self.two_sensors else "inclination"
        grid.add_row(name, self._gauge())
        grid.add_row(
            "context (-5 s)", Text(f"{self.context}  {self.confidence:.2f}" if self.context != "gap" else "no data")
        )
        grid.add_row("time in flexion", self._meter())
        grid.add_row("last events", Text("\n".join(event_text(e) for e in self.events) or "none yet"))
        alerts = "\n".join(f"{clock_text(a.raised_s)}  {a.reason}" for a in self.alerts)
        grid.add_row(f"alerts ({self.alerts_n})", Text(alerts or "none yet", style="bold" if alerts else ""))
        share = (self.now_s - self.first_s) / max(self.last_s - self.first_s, 1e-9)
        progress = Table.grid(padding=(0, 1))
        progress.add_row(
            ProgressBar(total=1.0, completed=min(share, 1.0), width=_GAUGE),
            f"{clock_text(self.now_s)} of {clock_text(self.last_s)}",
        )
        return Panel(Group(grid, Text(), progress), title=self.title, width=100)

    def _gauge(self) -> Text:
        if np.isnan(self.angle_deg):
            return Text("no data", style="dim")
        low, high = -30.0, 90.0
        place = int(np.clip((self.angle_deg - low) / (high - low), 0, 1) * (_GAUGE - 1))
        bar = ["·"] * _GAUGE
        bar[int(-low / (high - low) * (_GAUGE - 1))] = "|"
        if self.flexed_at_deg is not None:
            bar[int((self.flexed_at_deg - low) / (high - low) * (_GAUGE - 1))] = "+"
        bar[place] = "●"
        return Text("".join(bar) + f" {self.angle_deg:5.0f} deg")

    def _meter(self) -> Text:
        filled = round(min(self.creep, 1.0) * _GAUGE)
        state = {1: "flexed", 0: "not flexed", -1: "not judged" if self.context == "sitting" else ""}[self.flexed]
        return Text(
            "█" * filled + "░" * (_GAUGE - filled) + f" {self.creep:5.2f} {state}",
            style="bold" if self.creep >= 0.8 else "",
        )


def lines(output: Output) -> list[str]:
    """For a pipe or a log: one line per event and alert."""
    said = [(e.end_s, event_text(e)) for e in output.events]
    said += [(a.raised_s, f"{clock_text(a.raised_s)}  ALERT {a.kind}: {a.reason}") for a in output.alerts]
    return [text for _, text in sorted(said, key=lambda row: row[0])]


def console() -> Console:
    """Standard output; 100 columns where it is not a terminal."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=100)
