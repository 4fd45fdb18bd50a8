"""When a detection becomes a nudge: a pure policy over decided seconds and events.

`push` takes one item at a time in the order in which they became known; time is the data's, never a clock's. Sitting alerts
follow the time-in-flexion meter; bends and floor transitions are one gentle cue each. Everything that holds an alert back is
in `_sitting` and `_cue`, one line per reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from posture.answers import Rest
from posture.config import AlertsConfig
from posture.days import Days
from posture.types import (
    Alert,
    AlertKind,
    Basis,
    Context,
    EventKind,
    InputError,
    JsonValue,
    PostureEvent,
    Preset,
    Verdict,
)

_UPRIGHT = (Context.STANDING, Context.WALKING)
_NEVER = float("inf")
_AHEAD = ("since_break_s", "paused_from_s", "upright_from_s", "under_from_s")
"""Of the state's numbers those that are +inf while there is nothing; the others are -inf."""
_HOLDS = (Context.GAP, Context.UNKNOWN, Context.TRANSITION, Context.NON_WEAR)


class Epoch(NamedTuple):
    """What the policy needs of one decided second.

    flexed : 1, 0, -1 unknown. motionless : nothing moved for a minute, so that this may turn out to be non-wear.
    training : in a declared workout, or a set is open. under : upright, or seated under the level at which flexion ends.
    """

    start_s: float
    context: int
    confidence: float
    creep: float
    flexed: int
    motionless: bool = False
    training: bool = False
    under: bool = False


class Act(StrEnum):
    """What a wearer can ask of the alerts."""

    SNOOZE = "snooze"
    PAUSE = "pause"
    RESUME = "resume"
    """Ends a pause and a snooze."""


@dataclass(frozen=True, slots=True)
class UserAction:
    """What the wearer asked of the alerts: it holds for what is raised from `at_s` of the session on.

    until_s : where a snooze ends, not included; another snooze takes its place.
    """

    at_s: float
    act: Act
    until_s: float = -_NEVER


@dataclass(frozen=True, slots=True)
class Quiet:
    """What holds alerts back because the wearer asked for it. A pause has no end but `resume`."""

    snoozed_until_s: float = -_NEVER
    paused_from_s: float = _NEVER

    def covers(self, raised_s: float) -> bool:
        """Whether nothing may be raised at this moment."""
        return raised_s >= self.paused_from_s or raised_s < self.snoozed_until_s

    def after(self, action: UserAction) -> Quiet:
        """The same with what was asked for now."""
        if action.act is Act.SNOOZE:
            return replace(self, snoozed_until_s=action.until_s)
        if action.act is Act.PAUSE:
            return replace(self, paused_from_s=min(self.paused_from_s, action.at_s))
        return Quiet()


class Silence(NamedTuple):
    """[from_s, to_s) in which the wearer wanted no alerts."""

    act: Act
    from_s: float
    to_s: float


def silences(actions: Iterable[UserAction], *, begun: Quiet, end_s: float) -> list[Silence]:
    """Every pause and every snooze of a session that ends at `end_s`, by their starts. begun : what held when it began, at 0 s."""
    found: list[Silence] = []
    quiet, from_s = begun, 0.0
    for action in (*actions, UserAction(end_s, Act.RESUME)):
        after = quiet.after(action)
        if quiet.paused_from_s < _NEVER and after.paused_from_s == _NEVER:
            found.append(Silence(Act.PAUSE, max(0.0, quiet.paused_from_s), action.at_s))
        if action.act is not Act.PAUSE:
            if quiet.snoozed_until_s > from_s:
                found.append(Silence(Act.SNOOZE, from_s, min(quiet.snoozed_until_s, action.at_s)))
            from_s = action.at_s
        quiet = after
    return sorted((s for s in found if s.to_s > s.from_s), key=lambda s: (s.from_s, s.act))


@dataclass(slots=True)
class AlertState:
    """All memory of the policy; a service stores it and gives it back after a restart.

    `since_break_s` counts from the end of the last upright break, inf before the first; `said_n` per kind, of the day that ends at
    `day_ends_s` (None: not known). `held` : a prompt that waits for the end of a silence. `creep` : the meter after the second that
    began at `seen_s`, the last that was decided: the next session goes on from it. `spacing_min` : from the last sitting alert to
    the next, None while none is unanswered. `upright_from_s`, `under_from_s` : of `posture.answers.Rest`.
    """

    sitting_s: float = 0.0
    upright_s: float = 0.0
    since_break_s: float = float("inf")
    last_sitting_s: float = float("-inf")
    spacing_min: float | None = None
    last_cue_s: dict[str, float] = field(default_factory=dict)
    said_n: dict[str, int] = field(default_factory=dict)
    day_ends_s: float | None = None
    last_chair_s: float = float("-inf")
    last_training_s: float = float("-inf")
    walking_s: list[float] = field(default_factory=list)
    first_s: float | None = None
    snoozed_until_s: float = float("-inf")
    paused_from_s: float = float("inf")
    held: dict[str, Any] | None = None
    creep: float = 0.0
    seen_s: float = float("-inf")
    upright_from_s: float = float("inf")
    under_from_s: float = float("inf")

    @property
    def rest(self) -> Rest:
        """The rest that goes on."""
        return Rest(self.upright_from_s, self.under_from_s)

    @rest.setter
    def rest(self, rest: Rest) -> None:
        self.upright_from_s, self.under_from_s = rest

    @property
    def quiet(self) -> Quiet:
        """What the wearer asked for, as it holds now."""
        return Quiet(self.snoozed_until_s, self.paused_from_s)

    @quiet.setter
    def quiet(self, quiet: Quiet) -> None:
        self.snoozed_until_s, self.paused_from_s = quiet.snoozed_until_s, quiet.paused_from_s

    def to_json(self) -> dict[str, JsonValue]:
        """A JSON tree that `from_json` reads back to the same state; "never" in place of what is infinite."""
        tree = asdict(self)
        return {k: "never" if isinstance(v, float) and v in (_NEVER, -_NEVER) else v for k, v in tree.items()}

    def copy(self) -> AlertState:
        """One that does not change when this one does."""
        return self.shifted(0.0)

    def shifted(self, later_s: float) -> AlertState:
        """The same state for a session that began `later_s` after the one that it is of; times before its start are negative."""
        return replace(
            self,
            last_sitting_s=self.last_sitting_s - later_s,
            last_cue_s={kind: s - later_s for kind, s in self.last_cue_s.items()},
            said_n=dict(self.said_n),
            day_ends_s=None if self.day_ends_s is None else self.day_ends_s - later_s,
            last_chair_s=self.last_chair_s - later_s,
            last_training_s=self.last_training_s - later_s,
            walking_s=[s - later_s for s in self.walking_s],
            first_s=self.first_s if later_s == 0.0 else None,  # a new session has a half hour of `coach` of its own
            snoozed_until_s=self.snoozed_until_s - later_s,
            paused_from_s=self.paused_from_s - later_s,
            held=self.held if later_s == 0.0 else None,  # a new session looks at its sensors for itself
            seen_s=self.seen_s - later_s,
            # What was done between two sessions is not known.
            upright_from_s=self.upright_from_s if later_s == 0.0 else _NEVER,
            under_from_s=self.under_from_s if later_s == 0.0 else _NEVER,
        )

    @classmethod
    def from_json(cls, tree: Mapping[str, Any], *, source: str) -> AlertState:
        """InputError that names `source` where it is not such a tree."""
        try:
            never = {k: _NEVER if k in _AHEAD else -_NEVER for k, v in tree.items() if v == "never"}
            state = cls(**{**tree, **never})
            numbers = [state.sitting_s, state.upright_s, state.since_break_s, state.last_sitting_s, state.last_chair_s]
            numbers += [state.last_training_s, state.snoozed_until_s, state.paused_from_s, state.day_ends_s or 0.0]
            numbers += [state.creep, state.seen_s, *state.rest]
            if not all(isinstance(n, int | float) for n in numbers):
                raise TypeError("a number is missing")
        except (TypeError, AttributeError) as error:
            raise InputError(
                f"the state of the alerts in {source} cannot be read ({error}); start without it"
            ) from error
        return state


class AlertPolicy:
    """Epochs, events and what the wearer asks for -> alerts.

    judges_sitting : False for a wear that is not calibrated: nothing is said of sitting.
    lag_s : how long after its end a second is decided; `raised_s` is that moment.
    hears_answers : somebody hears the alerts, so that one on sitting that is answered ends the backoff; in a recording nobody did.
    days : when the days of this session end; None where no clock is known: then all of it is one day.
    """

    def __init__(
        self,
        params: AlertsConfig,
        *,
        lag_s: int,
        judges_sitting: bool,
        hears_answers: bool = False,
        days: Days | None = None,
        state: AlertState | None = None,
    ) -> None:
        self.params = params
        self.lag_s = lag_s
        self.judges_sitting = judges_sitting
        self.hears_answers = hears_answers
        self.days = days
        self.state = state or AlertState()

    def push(self, item: Epoch | PostureEvent | UserAction, *, epoch_s: float | None = None) -> Alert | None:
        """Next item; `epoch_s` is the second whose decision brought an event out. At most one alert.

        A UserAction comes before the first item that would be raised at its `at_s` or later.
        """
        if isinstance(item, Epoch):
            self._new_day(item.start_s)
            return self._epoch(item)
        if isinstance(item, UserAction):
            self.state.quiet = self.state.quiet.after(item)
            return None
        decided_s = item.end_s if epoch_s is None else epoch_s
        self._new_day(decided_s)
        return self._event(item, decided_s)

    def raised_s(self, epoch_s: float) -> float:
        """When that is raised which the second that begins at `epoch_s` decides."""
        return epoch_s + 1.0 + self.lag_s

    def _new_day(self, epoch_s: float) -> None:
        """Limits of a day begin anew with it. An alert is of the day in which it is raised, as in the day's summary."""
        state, raised_s = self.state, self.raised_s(epoch_s)
        if self.days is None or (state.day_ends_s is not None and raised_s < state.day_ends_s):
            return
        if state.day_ends_s is not None:
            state.said_n = {}
        state.day_ends_s = self.days.ends_s(raised_s)

    def _epoch(self, epoch: Epoch) -> Alert | None:
        state = self.state
        if state.first_s is None:
            state.first_s = epoch.start_s
        state.creep, state.seen_s = epoch.creep, epoch.start_s
        self._count(epoch)
        if state.held is not None and not self._silent(epoch.start_s):
            held, state.held = state.held, None
            return self._recalibrate(held["about_s"], held["reason"], held["evidence"], epoch.start_s)
        if not self._sitting(epoch):
            return None
        state.spacing_min = (
            self.params.spacing_min
            if state.spacing_min is None
            else min(self.params.spacing_max_min, 2 * state.spacing_min)
        )
        state.last_sitting_s = epoch.start_s
        self._said(AlertKind.FLEXED_SITTING)
        return Alert(
            about_s=epoch.start_s,
            raised_s=self.raised_s(epoch.start_s),
            kind=AlertKind.FLEXED_SITTING,
            preset=self.params.preset,
            reason="Your lower back has been flexed for a while. Two minutes standing or walking let it recover.",
            evidence={"creep": round(epoch.creep, 3), "sitting_s": state.sitting_s},
        )

    def _count(self, epoch: Epoch) -> None:
        """Stretches of sitting and of upright; seconds that are neither known nor settled hold both."""
        state, p = self.state, self.params
        state.since_break_s += 1.0
        if epoch.training:
            state.last_training_s = epoch.start_s
        if epoch.context == Context.SITTING:
            state.sitting_s += 1.0 if epoch.confidence >= p.confidence_min else 0.0
            state.upright_s = 0.0
        elif epoch.context in _UPRIGHT:
            state.upright_s += 1.0
            state.sitting_s = 0.0
        elif epoch.context not in _HOLDS:
            state.sitting_s = state.upright_s = 0.0
        if state.upright_s >= p.upright_break_s:
            state.since_break_s = 0.0
            state.last_sitting_s, state.spacing_min = float("-inf"), None
        state.rest = state.rest.after(epoch.start_s, upright=epoch.context in _UPRIGHT, under=epoch.under)
        if self.hears_answers and state.rest.answers(self.raised_s(state.last_sitting_s), epoch.start_s + 1.0):
            state.spacing_min = None
        if epoch.context == Context.WALKING:
            state.walking_s = [s for s in state.walking_s if s > epoch.start_s - 60.0] + [epoch.start_s]

    def _spacing_min(self) -> float:
        return self.params.spacing_min if self.state.spacing_min is None else self.state.spacing_min

    def _sitting(self, epoch: Epoch) -> bool:
        state, p = self.state, self.params
        return (
            epoch.creep >= p.creep_min
            and self.judges_sitting
            and epoch.context == Context.SITTING
            and epoch.confidence >= p.confidence_min
            and epoch.flexed != -1
            and not self._silent(epoch.start_s)
            and not epoch.motionless
            and not epoch.training
            and state.sitting_s >= p.sitting_min_s
            and state.since_break_s >= p.after_break_s
            and epoch.start_s - state.last_sitting_s >= 60.0 * self._spacing_min()
            and epoch.start_s - state.last_chair_s >= p.after_transition_s
            and state.said_n.get(AlertKind.FLEXED_SITTING, 0) < p.sitting_per_day
        )

    def _event(self, event: PostureEvent, epoch_s: float) -> Alert | None:
        state, p = self.state, self.params
        if event.kind in (EventKind.SIT_TO_STAND, EventKind.STAND_TO_SIT):
            state.last_chair_s = max(state.last_chair_s, event.end_s)
            return None
        if event.kind is EventKind.BEND:
            walking = any(event.start_s - 1.0 <= s < event.end_s for s in state.walking_s)
            training = event.start_s < state.last_training_s + 1.0
            if walking or training or event.start_s - state.last_chair_s < p.after_chair_s:
                return None
            return self._cue(event, AlertKind.BEND, epoch_s)
        if event.kind is EventKind.SENSOR_MOVED:
            return self._moved(event, epoch_s)
        if event.kind is EventKind.FLOOR_TRANSITION:
            return self._cue(event, AlertKind.FLOOR_TRANSITION, epoch_s)
        return None

    def _moved(self, event: PostureEvent, epoch_s: float) -> Alert | None:
        """A prompt in every preset: what is not scored must be said. Trust that came back, alone or by a walk, needs none.

        In a silence it waits for its end: nobody would see this state later.
        """
        self.state.held = None
        if event.evidence.get("state") in ("ok", "re_zeroed"):
            return None
        paused = " Until then nothing is scored." if event.evidence.get("state") == "paused" else ""
        reason = (
            f"A sensor seems to have moved by {abs(event.peak_deg):.0f} deg. Calibrate again when it suits you.{paused}"
        )
        evidence = dict(event.evidence)
        if self._silent(epoch_s):
            self.state.held = {"about_s": event.start_s, "reason": reason, "evidence": evidence}
            return None
        return self._recalibrate(event.start_s, reason, evidence, epoch_s)

    def _recalibrate(self, about_s: float, reason: str, evidence: Mapping[str, JsonValue], epoch_s: float) -> Alert:
        return Alert(
            about_s=about_s,
            raised_s=self.raised_s(epoch_s),
            kind=AlertKind.RECALIBRATE,
            preset=self.params.preset,
            reason=reason,
            evidence=evidence,
        )

    def _cue(self, event: PostureEvent, kind: AlertKind, epoch_s: float) -> Alert | None:
        """One gentle cue on what just ended, within the limits of the preset. What `coach` adds to them uses none of them up."""
        state, p = self.state, self.params
        coached = p.preset is Preset.COACH and epoch_s - (state.first_s or 0.0) < 60.0 * p.coach_min
        reason = cue_reason(event, every=coached)
        if (
            reason is None
            or p.preset is Preset.QUIET
            or event.confidence < p.confidence_min
            or event.set_id is not None
            or self._silent(epoch_s)
        ):
            return None
        spaced = event.start_s - state.last_cue_s.get(kind, float("-inf")) >= p.lean_spacing_s
        if not coached and not (spaced and state.said_n.get(kind, 0) < p.lean_per_day):
            return None
        if not coached:
            state.last_cue_s[kind] = event.start_s
            self._said(kind)
        return Alert(
            about_s=event.start_s,
            raised_s=self.raised_s(epoch_s),
            kind=kind,
            preset=p.preset,
            reason=reason,
            evidence={"peak_deg": event.peak_deg, "verdict": str(event.verdict), "basis": str(event.basis)},
        )

    def _silent(self, epoch_s: float) -> bool:
        raised_s = self.raised_s(epoch_s)
        return self.state.quiet.covers(raised_s) or in_quiet_hours(self.params, self.days, raised_s)

    def _said(self, kind: AlertKind) -> None:
        self.state.said_n[kind] = self.state.said_n.get(kind, 0) + 1


def in_quiet_hours(params: AlertsConfig, days: Days | None, raised_s: float) -> bool:
    """Whether the settings want nothing raised at this moment; without a clock nobody knows, and nothing is held back."""
    if days is None or params.quiet_from is None or params.quiet_to is None:
        return False
    return days.within(raised_s, from_=params.quiet_from, to=params.quiet_to)


def cue_reason(event: PostureEvent, *, every: bool = False) -> str | None:
    """What to say of a bend or a floor transition; None where there is nothing to say. One sensor never says "rounded".

    every : verdicts other than `rounded` too; what was not judged has none.
    """
    told = _EVERY if every else _ROUNDED
    if event.kind is EventKind.BEND and event.basis is Basis.ONE:
        leant = event.evidence.get("deep") or event.evidence.get("sustained")
        return "That was a long or deep forward lean." if leant else None
    return told.get((event.kind, event.basis, event.verdict))


_ROUNDED = {
    (
        EventKind.BEND,
        Basis.TWO,
        Verdict.ROUNDED,
    ): "That bend was rounded. Your programme pairs this with the hip hinge.",
    (EventKind.FLOOR_TRANSITION, Basis.TWO, Verdict.ROUNDED): "That was a rounded way down or up. "
    "Rolling to the side first keeps the lower back quieter.",
    (EventKind.FLOOR_TRANSITION, Basis.ONE, Verdict.ROUNDED): "That was a straight way down or up. "
    "Rolling to the side first keeps the lower back quieter.",
}
_EVERY = _ROUNDED | {
    (EventKind.BEND, Basis.TWO, Verdict.NEUTRAL): "That bend was neutral: most of it came from the hips.",
    (
        EventKind.BEND,
        Basis.TWO,
        Verdict.MIXED,
    ): "That bend was mixed: partly from the hips, partly from the lower back.",
    (EventKind.FLOOR_TRANSITION, Basis.TWO, Verdict.NEUTRAL): "That was a neutral way down or up.",
    (
        EventKind.FLOOR_TRANSITION,
        Basis.TWO,
        Verdict.MIXED,
    ): "That was a mixed way down or up: the lower back was partly rounded.",
    (EventKind.FLOOR_TRANSITION, Basis.ONE, Verdict.NEUTRAL): "That was a way down or up over the side or one knee.",
}
"""What is said of a verdict. A one-sensor way is named by the path that it took."""
