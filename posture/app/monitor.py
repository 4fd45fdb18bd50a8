"""`posture run`: sensors -> record -> decoder -> pipeline -> store, view, buzz and notification, in one task group.

Alerts come from what arrives live and from nothing else: what a sensor sends later out of its memory goes to the record, and from
there into the final result (`posture.app.ending`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

from rich.console import Console
from rich.live import Live

from posture.app.asked import Asked
from posture.app.battery import BatteryState, watch
from posture.app.keeping import SAVE_S, Saved
from posture.app.live import View, clock_text, lines, panel_width, span_text
from posture.app.notify import Button, Notifier, title_of
from posture.app.source import LiveSource
from posture.app.tell import SNOOZE_MIN, WRONG
from posture.detect.declared import Declared
from posture.outputs import alert_record
from posture.pipeline import Output, Pipeline
from posture.recording.session import RecordKind, tick_of, workout_record
from posture.sensors.driver import LinkState, LinkStatus
from posture.store import Request
from posture.types import GRID_HZ, Alert, AlertKind, InputError, JsonValue, Placement

HEAR_S = 1.0
"""Between two looks for what the wearer says (`posture workout`, `posture snooze` ...), s of the sensors."""
REDRAW_S = 0.25
"""Between two drawings of the panel at least: there is something new twice a second, and each drawing costs a ms."""
_BORDER = 4
"""Columns of the panel that are not its text."""
BUZZ = {
    AlertKind.FLEXED_SITTING: (1, 60, 2),
    AlertKind.BEND: (1, 40, 1),
    AlertKind.FLOOR_TRANSITION: (1, 40, 1),
    AlertKind.RECALIBRATE: (1, 40, 3),
}
"""Pattern, strength in % and repeats of an alert: the longer it can wait, the gentler. Ours."""


@dataclass(slots=True)
class Ended:
    """What a session came to. status : of each link at its end. alerts_n, events_n : of the live result."""

    end_ns: int
    status: dict[Placement, LinkStatus]
    alerts_n: int = 0
    events_n: int = 0


@dataclass(slots=True)
class Monitor:
    """One session. `run` returns when it was asked to end and everything is in place.

    source : made for this session. saved : where the live result goes. began_utc : its start; a workout declared before it that
    goes on counts from there. asked : hears what the wearer asks of the alerts. heard : told everything that live says, as it does.
    """

    source: LiveSource
    pipeline: Pipeline
    saved: Saved
    view: View
    notifier: Notifier
    console: Console
    began_utc: datetime
    asked: Asked
    heard: Callable[[Output], None] = lambda _: None
    _ended: Ended = field(default_factory=lambda: Ended(0, {}))
    _batteries: dict[Placement, BatteryState] = field(default_factory=dict)
    _states: dict[Placement, tuple[LinkState, str]] = field(default_factory=dict)
    _drawn_s: float = float("-inf")
    _saved_s: float = float("-inf")
    _asked_s: float = float("-inf")
    _workouts: dict[int, Declared] = field(default_factory=dict)
    _decided_s: float = 0.0
    _request: int = 0
    _subtitle: str = ""
    _group: asyncio.TaskGroup | None = None
    _live: Live | None = None

    async def run(self, until: asyncio.Event | None = None) -> Ended:
        """Until the task is cancelled (Ctrl-C, a request to end) or `until` is set. Both are a clean end, not an error.

        A second request to end does not wait for the sensors any more; what has come is kept all the same.
        """
        terminal = self.console.is_terminal
        self._subtitle = self.view.subtitle
        # Redrawn by hand: the panel changes when there is something new, and not oftener than the eye needs.
        self._live = (
            Live(self.view.render(self.console), console=self.console, auto_refresh=False) if terminal else None
        )
        with self._live or nullcontext():
            async with asyncio.TaskGroup() as group:
                self._group = group
                deciding = group.create_task(self._decide())
                self.source.begin(group)
                waiting = asyncio.create_task((until or asyncio.Event()).wait())
                try:
                    await asyncio.wait((waiting, deciding), return_when=asyncio.FIRST_COMPLETED)
                except asyncio.CancelledError:
                    _heard()
                waiting.cancel()
                self.say("Ending: the sensors are told to stop.")
                try:
                    await self.source.end()
                except asyncio.CancelledError:
                    _heard()
                await asyncio.wait((deciding,))
        self._group = self._live = None
        self._ended.end_ns = self.source.end_ns
        self._ended.status = {link.enrolled.placement: link.status for link in self.source.links}
        return self._ended

    def say(self, words: str) -> None:
        """One line of news: in the panel, and where there is none, or no room for it, on standard output."""
        self.view.news = words
        if (
            self._live is None or len(words) > panel_width(self.console) - _BORDER
        ):  # then it stays whole above the panel
            self.console.print(f"{clock_text(self.source.clock.now_ns() / 1e9)}  {words}")
        self._draw(force=True)

    # ---- what comes

    async def _decide(self) -> None:
        """Every batch through the pipeline, and what it says to everyone whom it concerns."""
        loop = asyncio.get_running_loop()
        self._saved_s = loop.time()
        async for batch in self.source.batches():
            output = self.pipeline.push(batch)
            self.source.due_s = self.pipeline.due_s
            self._said(output, batch.arrived_until_s)
            self._look()
            if loop.time() - self._saved_s >= SAVE_S:
                self._saved_s = loop.time()
                self._spawn(self._save())
            if loop.time() - self._asked_s >= HEAR_S / self.source.clock.speed:
                self._asked_s = loop.time()
                self._spawn(self._hear())
        end_s = self.source.end_ns / 1e9
        self._said(self.pipeline.flush(end_s), end_s)
        await self._save()

    async def _hear(self) -> None:
        """What the wearer says, from this moment on: into the record first, then to the pipeline."""
        workouts, requests = await self.saved.said(self.began_utc)
        for request in requests:
            if request.id > self._request:  # the reply to one that was heard may still be on its way into the store
                self._request = request.id
                self._ask(request)
        for declared in workouts:
            known = self._workouts.get(declared.id)
            over = declared.ended_utc is not None
            if over if known is None else (known.end_s < float("inf") or not over):
                continue
            now_s = self._next_tick() / GRID_HZ
            if known is None:
                workout = Declared(now_s, exercise=declared.exercise, side=declared.side)
            else:
                workout = replace(known, end_s=now_s)
            self._workouts[declared.id] = workout
            self.source.writer.append(workout_record(workout))
            self.pipeline.declare(workout)
            name = f" of {declared.exercise.replace('_', ' ')}" if declared.exercise else ""
            self.say(f"Workout{name} {'begun' if known is None else 'ended'}.")

    def _ask(self, request: Request) -> None:
        """One request of the wearer, by the store or by a button; a button pressed after the end is too late."""
        if self._group is None:
            return
        keep = None
        try:
            if request.kind == "status":
                reply: dict[str, JsonValue] = {"lines": list[JsonValue](self.status())}
            else:
                heard = self.asked.hear(request, self._next_tick())
                reply, keep = {"lines": [heard.words]}, heard.keep
                self.say(heard.words)
        except InputError as error:
            reply = {"refused": str(error)}
            if not request.id:  # a button has no other place to say it
                self.say(str(error))
        self._spawn(self.saved.reply(request, reply, keep))

    def _next_tick(self) -> int:
        """From when on something may hold: behind now and behind all that was decided, which a clock can put ahead of now."""
        return 1 + max(tick_of(self.source.clock.now_ns()), int(self._decided_s * GRID_HZ))

    def status(self) -> list[str]:
        """What runs, since when, how each link is, the last alert, and what holds alerts back."""
        now_s = self.source.clock.now_ns() / 1e9
        preset = self.pipeline.config.alerts.preset
        lines = [
            f"posture run since {self.asked.since()} ({span_text(now_s)}), preset {preset}: {self.asked.meta.session_id}"
        ]
        lines += [f"{name}: {words}" for name, words in self.view.sensors.items()]
        return [*lines, self.asked.last(), self.asked.notice(now_s) or "alerts on"]

    def _said(self, output: Output, until_s: float) -> None:
        if output.epochs:
            self._decided_s = float(output.epochs[-1].start_s[-1]) + 1.0 + self.view.lag_s
        self.saved.add(output)
        self.heard(output)
        self._ended.events_n += len(output.events)
        self.view.update(output, until_s)
        for alert in output.alerts:
            self._alert(alert)
        if self._live is None:
            for line in lines(output):
                self.console.print(line)
        else:
            self._draw(force=bool(output.alerts))

    def _draw(self, *, force: bool = False) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._live is not None and (force or now_s - self._drawn_s >= REDRAW_S):
            self._drawn_s = now_s
            self._live.update(self.view.render(self.console), refresh=True)

    async def _save(self) -> None:
        await self.saved.save(self.pipeline.state.alerts)

    # ---- what is told

    def _alert(self, alert: Alert) -> None:
        """Into the record first; then the sensor, the desktop and the store, none of which may hold up the next."""
        tree: dict[str, JsonValue] = {
            "kind": RecordKind.ALERT,
            "tick": int(alert.raised_s * GRID_HZ),
            "id": self._ended.alerts_n,
            "alert": alert_record(alert),
        }
        self.source.writer.append(tree)
        self._ended.alerts_n += 1
        self.asked.raised.append(alert)
        self._spawn(self.saved.alert(alert))
        wrong: dict[str, JsonValue] = {"kind": str(alert.kind), "about_s": alert.about_s, "said": WRONG}
        buttons = (
            Button(f"Snooze {SNOOZE_MIN:.0f} min", lambda: self._ask(Request(0, "snooze", {}))),
            Button("That was wrong", lambda: self._ask(Request(0, "answer", wrong))),
        )
        self._spawn(self.notifier.notify(title_of(alert), alert.reason, buttons))
        for link in self.source.links:
            self._spawn(link.haptic(*BUZZ[alert.kind]))

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        if self._group is None:
            work.close()
            return
        self._group.create_task(work)

    def _look(self) -> None:
        """The links as they are now: a line each, a word when one changes, a word on its battery."""
        now_ns = self.source.clock.now_ns()
        notice = self.asked.notice(now_ns / 1e9)
        self.view.subtitle = f"{notice}; {self._subtitle}" if notice else self._subtitle
        for link in self.source.links:
            placement, status = link.enrolled.placement, link.status
            self.view.sensors[placement.words] = status_words(status, now_ns)
            before, now = self._states.get(placement), (status.state, status.reason)
            if before != now and status.state is not LinkState.CONNECTING:
                self.say(f"{placement.words}: {status.reason}")
            self._states[placement] = now
            state = self._batteries.setdefault(placement, BatteryState())
            if words := watch(state, status.battery_pct, now_ns / 3.6e12, charging=status.charging):
                self.say(f"{placement.words}: {words}")
                self._spawn(self.notifier.notify("Battery", f"{link.enrolled.name} at the {placement.words}: {words}"))


def status_words(status: LinkStatus, now_ns: int) -> str:
    """A link in one line: state, battery, and what could not be had."""
    if status.state is LinkState.STREAMING:
        words = [status.state.value]
    else:
        words = [f"{status.state} for {span_text((now_ns - status.since_ns) / 1e9)}: {status.reason}"]
    if status.battery_pct is not None:
        words.append(f"battery {status.battery_pct} %{', charging' if status.charging else ''}")
    if status.fault:
        words.append(status.fault)
    words += [
        f"{count} {what}"
        for count, what in (
            (status.overwritten, "samples overwritten before they could be fetched"),
            (status.dropped, "packets dropped: this computer was too slow"),
        )
        if count
    ]
    return ", ".join(words)


def _heard() -> None:
    """A request to end is a clean end here, not a cancellation."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
