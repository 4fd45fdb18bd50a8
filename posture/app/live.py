"""The live terminal view: angle, activity, meter, newest events and alerts, drawn from what the pipeline just said.

On a terminal it is one panel of constant height that is redrawn; elsewhere (a pipe, a log) it is one line per event and alert.
What is unknown is said as unknown or not judged; an angle older than a second is not shown, and after two seconds of silence
neither is the activity: both are then "no data".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from posture.app.gauge import Scale, bar, gauge
from posture.config import Config
from posture.pipeline import Output
from posture.replay import Prepared
from posture.signal.calibration import Calibration
from posture.types import (
    CALIBRATION_SET,
    CONTEXT_NAMES,
    GRID_HZ,
    Alert,
    AngleBlock,
    Basis,
    Context,
    EpochBlock,
    EventKind,
    Placement,
    PostureEvent,
    Verdict,
)
from posture.vocabulary import confidence_text

WIDTH_MIN, WIDTH_MAX = 60, 100
STALE_S = 1.0
"""An angle this much older than what has arrived is not the wearer's angle now."""
SILENT_S = 2.0
"""Without a new angle for so long nothing is known of what the wearer does now, be the last decided second what it may."""
SLACK_S = 0.2
"""Of this computer: how old what is shown may be where a virtual sensor runs faster than life."""
_EVENTS, _LIVE_EVENTS, _ALERTS = 5, 3, 2
_LABEL = 16
_VERDICT, _SURE = len("with a turn"), len("conf. over 0.99")
_ROOMY = 80 - 4 - _LABEL - 1
"""Columns beside the labels on a terminal of 80: there the confidence leaves 23 for what happened."""
_DONE = {
    EventKind.SIT_TO_STAND: "stood up",
    EventKind.STAND_TO_SIT: "sat down",
    EventKind.PLUNGE: "dropped onto the seat",
    EventKind.SIT_TO_LIE: "lay down",
    EventKind.LIE_TO_SIT: "sat up from lying",
    EventKind.ROLL: "turned over",
    EventKind.SUPINE_CURL: "curled up lying: was that a knee hug?",
}
_MOVED = {
    "ok": "sensor back in place",
    "re_zeroed": "sensor put on again: upright taken from walking",
    "unsettled": "sensor may have been off: upright not known until a walk",
}
_ABSENT = {EventKind.GAP: "no data", EventKind.NON_WEAR: "not worn"}
_UNJUDGED = (EventKind.SENSOR_MOVED, EventKind.ROLL, EventKind.EXERCISE_SET, EventKind.PRACTICE_HOLD)
_CONTEXTS = {Context.GAP: "no data", Context.NON_WEAR: "not worn", Context.TRANSITION: "between postures"}


def clock_text(time_s: float) -> str:
    """Seconds of the recording as h:mm:ss."""
    whole = int(time_s)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def span_text(seconds: float) -> str:
    """A length for reading: 12 s, 12.7 min."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def what_text(event: PostureEvent) -> str:
    """What happened, in a few words. With one sensor a bend is a forward lean of at least what is seen."""
    if event.kind is EventKind.BEND:
        name = "bend" if event.basis is Basis.TWO else "lean"
        text = f"{name} of {'at least ' * bool(event.evidence.get('at_least'))}{event.peak_deg:.0f} deg"
    elif event.kind is EventKind.FLEXED_SITTING:
        text = f"sat flexed for {span_text(event.end_s - event.start_s)}"
    elif event.kind in _ABSENT:
        text = f"{_ABSENT[event.kind]} for {span_text(event.end_s - event.start_s)}"
    elif event.kind is EventKind.SENSOR_MOVED:
        text = _MOVED.get(str(event.evidence.get("state")), f"sensor moved by {abs(event.peak_deg):.0f} deg")
    elif event.kind is EventKind.FLOOR_TRANSITION:
        text = "up from floor or bed" if event.evidence.get("direction") == "up" else "down to floor or bed"
    elif event.kind is EventKind.EXERCISE_SET:
        text = set_text(event)
    elif event.kind is EventKind.PRACTICE_HOLD:
        text = hold_text(event)
    else:
        text = _DONE.get(event.kind, str(event.kind).replace("_", " "))
    return text + " (calibration)" * (event.set_id == CALIBRATION_SET)


def set_text(event: PostureEvent) -> str:
    """A set: its repetitions, and how many were clean where that was measured."""
    said = event.evidence
    name = "repetitions" if said.get("exercise") == "unknown" else str(said.get("exercise")).replace("_", " ")
    text = f"set of {said.get('reps')}: {name}{', ' + str(said['side']) if said.get('side') else ''}"
    if not said.get("form_measured"):
        return text + ", form not measured"
    failed = said.get("first_failed_rep")
    return text + f", {said.get('clean_reps')} clean" + (f", form changed at {failed}" if failed else "")


def hold_text(event: PostureEvent) -> str:
    """A practice hold: how long, and whether the pelvis moved more than it should. Undeclared lying is only like a towel."""
    said = event.evidence
    name = str(said.get("practice")).replace("_", " ")
    if said.get("practice") == "towel" and not said.get("declared"):
        name = "lay still, as on the towel,"
    text = f"{name} for {span_text(event.end_s - event.start_s)}"
    return text + f", pelvis moved by {event.peak_deg:.0f} deg" * bool(said.get("drifted"))


def verdict_text(event: PostureEvent) -> str:
    """How the lower back was held; a stretch of sitting is flexed, where nothing was measured there is none."""
    if event.kind in _ABSENT or event.kind in _UNJUDGED:
        return ""
    if event.verdict is Verdict.UNKNOWN:
        return "not judged"
    if event.kind is EventKind.FLEXED_SITTING:
        return "flexed"
    if event.basis is Basis.ONE and event.kind is EventKind.FLOOR_TRANSITION:  # the path is what was seen, not the back
        return "straight" if event.verdict is Verdict.ROUNDED else "with a turn"
    return str(event.verdict)


def event_line(event: PostureEvent) -> str:
    """One line on an event: when, what, how, on which basis and how sure."""
    line = f"{clock_text(event.start_s)}  {what_text(event)}"
    if verdict := verdict_text(event):
        sensors = "two sensors" if event.basis is Basis.TWO else "one sensor"
        line += f"  {verdict} ({sensors}, confidence {confidence_text(event.confidence)})"
    return line


def lines(output: Output) -> list[str]:
    """For a pipe or a log: one line per event and alert."""
    said = [(e.end_s, event_line(e)) for e in output.events]
    said += [(a.raised_s, f"{clock_text(a.raised_s)}  ALERT {a.kind}: {a.reason}") for a in output.alerts]
    return [text for _, text in sorted(said, key=lambda row: row[0])]


def panel_width(console: Console) -> int:
    """Columns of the panel, its border included."""
    return min(max(console.width, WIDTH_MIN), WIDTH_MAX)


def scale_of(calibration: Calibration, config: Config) -> Scale:
    """What the gauge shows in this wear: its name, its range and from where sitting counts as flexed."""
    sitting = config.sitting
    if calibration.basis is Basis.TWO:
        at = calibration.rom_deg * sitting.flexed_on_pct / 100.0 if calibration.judges_sitting else None
        return Scale("lumbar flexion", -30.0, 90.0, at)
    placement, sensor = next(iter(calibration.sensors.items()))
    at = None
    if calibration.judges_sitting:
        at = sensor.sit_tall_deg - sitting.slump_on_pct / 100.0 * (sensor.sit_tall_deg - sensor.slump_deg)
    return Scale("pelvis tilt" if placement is Placement.SACRUM else "trunk lean", -60.0, 90.0, at)


@dataclass(frozen=True, slots=True)
class _Laid:
    """Rows that were laid out once, for as long as what they show (`key`) is the same: laying out is most of the cost."""

    key: tuple[int, ...]
    lines: list[list[Segment]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich wants it."""
        for line in self.lines:
            yield from line
            yield Segment.line()


@dataclass(slots=True)
class View:
    """What is on the screen now. `update` takes the outputs in order; `render` shows them.

    lag_s : how long after its end a second is decided. speed : times real time. creep_min : where the sitting alert may come.
    last_s : where a recording ends; None for a live session, which has sensors to show and news to tell instead.
    sensors : one line each, by the placement's words, as the link has it. news : what was said last of the session itself.
    """

    title: str
    subtitle: str
    scale: Scale
    first_s: float
    last_s: float | None
    speed: float
    lag_s: int
    creep_min: float
    judges_sitting: bool
    routine: tuple[float, float] | None = None
    now_s: float = 0.0
    angle_deg: float = float("nan")
    angle_at_s: float = float("-inf")
    context: Context = Context.UNKNOWN
    confidence: float = 0.0
    creep: float = 0.0
    flexed: int = -1
    events: deque[PostureEvent] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    alerts: deque[Alert] = field(default_factory=lambda: deque(maxlen=_ALERTS))
    events_n: int = 0
    alerts_n: int = 0
    sensors: dict[str, str] = field(default_factory=dict)
    news: str = ""
    _lower: _Laid | None = None

    @classmethod
    def live(cls, calibration: Calibration, config: Config, *, title: str, subtitle: str, speed: float = 1.0) -> View:
        """The view of sensors that are worn now."""
        scale = scale_of(calibration, config)
        judges, creep_min = calibration.judges_sitting, config.alerts.creep_min
        return cls(title, subtitle, scale, 0.0, None, speed, config.context.lag_s, creep_min, judges)

    @classmethod
    def of(cls, prepared: Prepared, *, title: str, speed: float) -> View:
        """The view of a prepared recording."""
        info, config = prepared.recording.info, prepared.config
        simulated = any(note.lower().startswith("origin: simulated") for note in info.notes)
        what = "simulated motion" if simulated else "a recording"
        return cls(
            title,
            f"{what}, not a live sensor; Ctrl-C stops",
            scale_of(prepared.calibration, config),
            info.first_s,
            info.last_s,
            speed,
            config.context.lag_s,
            config.alerts.creep_min,
            prepared.calibration.judges_sitting,
            prepared.routine,
        )

    def update(self, output: Output, until_s: float) -> None:
        """Newest angle, decided second, events and alerts."""
        self.now_s = until_s
        for angle in output.angles:
            self._angle(angle)
        if until_s - self.angle_at_s > STALE_S + self._slack_s:
            self.angle_deg = float("nan")
        for epochs in output.epochs:
            self._epoch(epochs)
        self.events.extend(output.events)
        self.events_n += len(output.events)
        self.alerts.extend(output.alerts)
        self.alerts_n += len(output.alerts)

    @property
    def silent_s(self) -> float:
        """How long nothing has come, s; 0 while something does."""
        age_s = self.now_s - self.angle_at_s
        return age_s if age_s >= SILENT_S + self._slack_s else 0.0

    @property
    def _slack_s(self) -> float:
        """What this computer's own delays are to live sensors that run faster than life, s of theirs."""
        return 0.0 if self.last_s is not None else SLACK_S * max(0.0, self.speed - 1.0)

    def _angle(self, angle: AngleBlock) -> None:
        if not len(angle):
            return
        shown = angle.flexion_deg
        if self.scale.name == "pelvis tilt":
            shown = angle.sacrum_inclination_deg
        elif self.scale.name == "trunk lean":
            shown = angle.upper_lumbar_inclination_deg
        self.angle_deg = float(shown[-1])
        self.angle_at_s = (angle.first_tick + len(angle)) / GRID_HZ

    def _epoch(self, epochs: EpochBlock) -> None:
        self.context = Context(int(epochs.context[-1]))
        self.confidence = float(epochs.context_confidence[-1])
        self.creep, self.flexed = float(epochs.creep[-1]), int(epochs.flexed[-1])

    def render(self, console: Console) -> RenderableType:
        """The panel, WIDTH_MIN to WIDTH_MAX columns wide. The rows that grow are last: a low terminal cuts those."""
        width = panel_width(console)
        plain = not console.encoding.lower().startswith("utf")
        room = width - 4 - _LABEL - 1
        top = Table.grid(padding=(0, 1, 0, 0))
        top.add_column(style="dim", width=_LABEL, no_wrap=True)
        top.add_column(width=room, no_wrap=True, overflow="ellipsis")
        marks, labels = gauge(self.angle_deg, self.scale, room - 10, plain=plain)
        value = "no data" if np.isnan(self.angle_deg) else f"{self.angle_deg:z4.0f} deg"
        if self.last_s is None:
            top.add_row("session", Text(clock_text(self.now_s)))
            for name, words in self.sensors.items():
                top.add_row(name, Text(words, style="" if words.startswith("streaming") else "bold"))
        else:
            top.add_row("played", self._progress(room, self.last_s))
        top.add_row(self.scale.name, Text(f"{value:<10}{marks}", style="dim" if np.isnan(self.angle_deg) else ""))
        top.add_row("", Text(f"{'':10}{labels}", style="dim"))
        top.add_row("activity", self._activity())
        top.add_row("flexion meter", self._meter(room, plain=plain))
        news = Text(self.news, style="bold", no_wrap=True, overflow="ellipsis")
        return Panel(
            Group(top, news, self._happened(console, width, room)),
            title=self.title,
            subtitle=self.subtitle,
            width=width,
        )

    def _happened(self, console: Console, width: int, room: int) -> _Laid:
        """Events and alerts, laid out when there is a new one, or another width."""
        key = (width, self.events_n, self.alerts_n)
        if self._lower is None or self._lower.key != key:
            parts = Group(self._events_table(room), Text(), self._alerts_table(console, room))
            options = console.options.update(width=width - 4, height=None)
            self._lower = _Laid(key, console.render_lines(parts, options))
        return self._lower

    def _progress(self, room: int, last_s: float) -> RenderableType:
        share = (self.now_s - self.first_s) / max(last_s - self.first_s, 1e-9)
        left_s = max(0.0, (last_s - self.now_s) / self.speed)
        text = f"{clock_text(self.now_s)} of {clock_text(last_s)}, {span_text(left_s)} left"
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_row(ProgressBar(total=1.0, completed=min(share, 1.0), width=room - 36), Text(text))
        return row

    def _activity(self) -> Text:
        if self.silent_s:
            since = f"no data for {span_text(self.silent_s)}" if np.isfinite(self.silent_s) else "no data yet"
            return Text(since, style="dim")
        name = _CONTEXTS.get(self.context, CONTEXT_NAMES[self.context])
        if self.context is Context.SITTING:
            name += {1: ", flexed", 0: ", not flexed", -1: ", flexion not judged"}[self.flexed]
        text = Text(name, style="dim" if self.context in (Context.GAP, Context.UNKNOWN) else "")
        if self.context is not Context.GAP:
            text.append(f" (confidence {confidence_text(self.confidence)})", style="dim")
        text.append(f", {self.lag_s} s ago", style="dim")
        if self.routine is not None and self.routine[0] <= self.now_s < self.routine[1]:
            text.append("; calibration poses", style="dim")
        return text

    def _meter(self, room: int, *, plain: bool) -> Text:
        if not self.judges_sitting:
            return Text("off: flexed sitting is not judged in this wear", style="dim")
        end = f" alert from {self.creep_min:.2f}"
        shown = bar(self.creep, room - 10 - len(end), mark=self.creep_min, plain=plain)
        style = "dim" if self.silent_s else "bold" if self.creep >= self.creep_min else ""
        return Text(f"{self.creep:4.2f} of 1 {shown}{end}", style=style)

    def _events_table(self, room: int) -> Table:
        grid = Table.grid(padding=(0, 1, 0, 0))
        sure_width = _SURE if room >= _ROOMY else 1  # under 80 columns the confidence is left out
        for width in (_LABEL, 7, room - 7 - _VERDICT - sure_width - 3, _VERDICT, sure_width):
            grid.add_column(width=width, no_wrap=True, overflow="ellipsis" if width > 1 else "crop")
        rows = list(reversed(self.events))
        for k in range(_EVENTS if self.last_s is not None else _LIVE_EVENTS):
            label = f"events {self.events_n}" if k == 0 else "(newest first)" if k == 1 else ""
            cells = ["", "none yet" if k == 0 and not rows else "", "", ""]
            if k < len(rows):
                sure = f"conf. {confidence_text(rows[k].confidence)}" if verdict_text(rows[k]) else ""
                cells = [clock_text(rows[k].start_s), what_text(rows[k]), verdict_text(rows[k]), sure]
            grid.add_row(Text(label, style="dim"), *(Text(c) for c in cells[:3]), Text(cells[3], style="dim"))
        return grid

    def _alerts_table(self, console: Console, room: int) -> Table:
        grid = Table.grid(padding=(0, 1, 0, 0))
        for width in (_LABEL, 7, room - 8):
            grid.add_column(width=width)
        rows = list(reversed(self.alerts))
        used = 0
        for k, alert in enumerate(rows):
            text = Text(alert.reason, style="bold" if k == 0 else "")
            used += len(text.wrap(console, room - 8))
            grid.add_row(
                Text(f"alerts {self.alerts_n}" if k == 0 else "", style="dim"), clock_text(alert.raised_s), text
            )
        if not rows:
            grid.add_row(Text("alerts 0", style="dim"), "", "none yet")
            used = 1
        for _ in range(used, _ALERTS * (2 if room > 50 else 4)):
            grid.add_row("", "", "")
        return grid


def console() -> Console:
    """Standard output; where it is not a terminal, lines of any length."""
    made = Console(highlight=False, markup=False)
    return made if made.is_terminal else Console(highlight=False, markup=False, soft_wrap=True)
