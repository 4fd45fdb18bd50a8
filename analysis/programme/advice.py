"""A day's facts through the rules of a pack: at most one win, two habits, one practice and one focus, each with its reason.

Pure: what was true and said on earlier days is in `Memory`, which the caller keeps.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from analysis.programme.diary import AvoidEntry, Entry, ExerciseEntry, PracticeEntry, StairsEntry
from analysis.programme.facts import TEXT_FACTS, Facts, improvement
from analysis.programme.pack import Alternative, Condition, Pack, Rule
from analysis.programme.progress import Progress, next_exercise, progress
from analysis.schema import DayAdvice, RuleState, Said
from analysis.words import span


class State(StrEnum):
    """What became of a rule. `said` and `ready` are true ones; `ready` gave way to others, `cooling` was said lately."""

    SAID = "said"
    READY = "ready"
    COOLING = "cooling"
    WITHHELD = "withheld"
    UNKNOWN = "unknown"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rule today. text : its sentence where it is true. why : why it is in this state."""

    rule: str
    state: State
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The days on which a rule was true, and the last on which it was said, by rule."""

    true_days: Mapping[str, frozenset[date]] = field(default_factory=dict)
    said: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a day says. win, focus_rule : rule ids, None where there is none. practice : id. notice : instead of advice.

    stage : the highest that is open; None without a log, from which nobody knows.
    """

    day: date
    win: Outcome | None
    habits: tuple[Outcome, ...]
    practice: str | None
    practice_why: str
    focus: str
    focus_rule: str | None
    notice: str
    outcomes: tuple[Outcome, ...]
    stage: str | None = None

    def outcome(self, rule: str) -> Outcome:
        """Of one rule."""
        return next(o for o in self.outcomes if o.rule == rule)

    def record(self, pack: Pack) -> DayAdvice:
        """As a report holds it."""
        return DayAdvice(
            pack=f"{pack.id} {pack.version}",
            stage=self.stage,
            win=_as_said(self.win) if self.win else None,
            habits=tuple(_as_said(h) for h in self.habits),
            practice=self.practice,
            practice_text=self.practice_why,
            focus=self.focus,
            focus_rule=self.focus_rule,
            notice=self.notice,
            rules=tuple(RuleState(o.rule, o.state.value, o.why) for o in self.outcomes),
        )

    def texts(self) -> tuple[str, ...]:
        """Everything that is shown."""
        said = [self.win.text] if self.win else []
        return tuple(
            t for t in (*said, *(h.text for h in self.habits), self.practice_why, self.focus, self.notice) if t
        )


def _as_said(outcome: Outcome) -> Said:
    return Said(outcome.rule, outcome.text, outcome.why)


def log_facts(pack: Pack, entries: Sequence[Entry], at: Progress, today: date, facts: Facts) -> Facts:
    """`facts` with what the log knows of `today`."""
    here = [e for e in entries if e.day == today]
    lately = [e for e in entries if today - timedelta(days=1) <= e.day <= today]
    sets = [w for w in at.workouts if w.day == today]
    found: dict[str, float | str | None] = {
        "towels_two_days": sum(isinstance(e, PracticeEntry) and e.practice == "towel" for e in lately),
        "pain_free_days": at.pain_free_days,
        "plan_done_pct": at.plan_done_pct,
        "logged_today": sum(isinstance(e, ExerciseEntry | PracticeEntry) for e in here),
        "red_flags": 0,
        "last_stage_offered": _offered(pack, at),
    }
    if at.stop is not None and at.stop.kind == "red_flag":
        found |= {"red_flags": 1, "red_flag": at.stop.what}
    stairs = [e for e in here if isinstance(e, StairsEntry)]
    if stairs:
        found |= {"flights": sum(e.flights for e in stairs), "flights_uneven": int(any(e.uneven for e in stairs))}
    known = {a.tag: a for a in pack.avoids}
    tags = [known[e.tag] for e in here if isinstance(e, AvoidEntry) and e.tag in known]
    found["avoided_count"] = len(tags)
    if tags:
        found |= {"avoided": tags[0].name, "swap": tags[0].swap}
    counted = [w for w in sets if w.clean_reps is not None]
    if counted:
        clean = sum(min(w.clean_reps or 0, w.reps) for w in counted)
        found["rounded_in_exercise_pct"] = 100 * (1 - clean / sum(w.reps for w in counted))
    failed = [w for w in sets if w.first_failed_rep is not None]
    if failed:
        found |= {"first_failed_rep": failed[-1].first_failed_rep, "exercise": _name(pack, failed[-1].exercise)}
        standing = at.standing(failed[-1].exercise)
        found["target_reps"] = standing.target_reps if standing else None
    hurt = max((w for w in sets if w.pain_rise is not None), key=lambda w: w.pain_rise or 0, default=None)
    if hurt is not None:
        found["pain_rise"] = hurt.pain_rise
        if (hurt.pain_rise or 0) > 0:
            found |= {"exercise": _name(pack, hurt.exercise), "moved": _moved(at, hurt.exercise, today)}
    return Facts.model_validate(facts.model_dump() | found)


def _offered(pack: Pack, at: Progress) -> int:
    last = [s for s in at.standings if s.practice.stage == pack.last_stage and s.practice.after]
    return int(any(s.open for s in last) and not any(s.last_day for s in last))


def _name(pack: Pack, exercise: str) -> str:
    return next((p.name for p in pack.practices if p.id == exercise), exercise)


def _moved(at: Progress, exercise: str, today: date) -> str:
    text = next((d.text for d in reversed(at.decisions) if d.day == today and d.exercise == exercise), "")
    return text.rstrip(".").rpartition("; ")[2] or "no measured number moved"


def judge(
    pack: Pack, wear: Facts, entries: Sequence[Entry], today: date, *, memory: Memory, history: Sequence[Facts] = ()
) -> tuple[Advice, Memory]:
    """One day: wear and log through the rules; and the memory for the next day.

    history : the wear of earlier days, oldest first, for changes against the usual.
    """
    at = progress(pack, entries, today)
    limits = pack.limits
    wear = improvement(history, wear, worn_min=limits.rules_from_worn_min, confidence_min=limits.confidence_min)
    advice, memory = evaluate(pack, log_facts(pack, entries, at, today, wear), at, today, memory)
    return replace(advice, stage=at.stage if entries else None), memory


def evaluate(pack: Pack, facts: Facts, at: Progress, today: date, memory: Memory) -> tuple[Advice, Memory]:
    """The rules over facts. Conditions on other rules read their days, so rules on facts come first."""
    true_days = {rule: frozenset(days) for rule, days in memory.true_days.items()}
    outcomes: dict[str, Outcome] = {}
    for rule in sorted(pack.rules, key=lambda r: any(c.rule for a in r.when for c in a.all)):
        outcome = _outcome(pack, rule, facts, true_days, today)
        outcomes[rule.id] = outcome
        if outcome.state is State.READY:
            true_days[rule.id] = true_days.get(rule.id, frozenset()) | {today}
    blocks = [r for r in pack.rules if r.group in ("stop", "no_data") and outcomes[r.id].state is State.READY]
    block = max(blocks, key=lambda r: (r.group == "stop", r.priority), default=None)
    if at.stop is not None and (block is None or block.group != "stop"):
        block = (
            None  # strong pain, or a red flag in a pack without a rule for it: safety is no matter of the pack's rules
        )
    comes_first = block.id if block else at.stop.what if at.stop else None
    for rule in pack.rules:
        outcomes[rule.id] = _held_back(rule, outcomes[rule.id], comes_first, memory, today)
    if block is not None:
        return _blocked(pack, block, outcomes, today), Memory(true_days, memory.said)
    if at.stop is not None:
        notice = f"You noted: {at.stop.what}. {at.stop.text}"
        stopped = Advice(today, None, (), None, "", "", None, notice, tuple(outcomes[r.id] for r in pack.rules))
        return stopped, Memory(true_days, memory.said)
    ready = sorted((r for r in pack.rules if outcomes[r.id].state is State.READY), key=lambda r: -r.priority)
    win = next((r for r in ready if r.group in ("win", "win_log")), None)
    habits = [r for r in ready if r.group in ("habit", "log")][: pack.limits.habits_max]
    shown = [*([win] if win else []), *habits]
    for rule in shown:
        outcomes[rule.id] = replace(outcomes[rule.id], state=State.SAID)
    focus = next((r for r in habits if r.focus), None)
    practice, why = _practice(pack, at, next((r for r in habits if r.practice), None))
    advice = Advice(
        day=today,
        win=outcomes[win.id] if win else None,
        habits=tuple(outcomes[r.id] for r in habits),
        practice=practice,
        practice_why=why,
        focus=focus.focus if focus else pack.texts.no_focus,
        focus_rule=focus.id if focus else None,
        notice="",
        outcomes=tuple(outcomes[r.id] for r in pack.rules),
    )
    return advice, Memory(true_days, {**memory.said, **{r.id: today for r in shown}})


def _outcome(pack: Pack, rule: Rule, facts: Facts, true_days: Mapping[str, frozenset[date]], today: date) -> Outcome:
    """Whether the rule is true, false or not known, and why."""
    limits = pack.limits
    if rule.group in ("habit", "win"):
        if facts.worn_min is None:
            return Outcome(rule.id, State.UNKNOWN, "", "not known: worn_min")
        if facts.worn_min < limits.rules_from_worn_min:
            why = f"worn {span(facts.worn_min)}; needs {span(limits.rules_from_worn_min)}"
            return Outcome(rule.id, State.UNKNOWN, "", why)
    below: list[str] = []
    absent: list[str] = []
    for alternative in rule.when:
        asked = [(c, _holds(c, facts, true_days, today)) for c in alternative.all]
        if all(holds for _, holds in asked):
            return _sure(pack, rule, alternative, facts)
        if any(holds is False for _, holds in asked):
            # How many sensors there are chooses the words, and is no reason to be silent.
            below += [_short(c, facts) for c, holds in asked if holds is False and c.fact != "sensors"]
        else:
            absent += [str(c.fact) for c, holds in asked if holds is None]
    if absent:
        return Outcome(rule.id, State.UNKNOWN, "", "not known: " + ", ".join(dict.fromkeys(absent)))
    return Outcome(rule.id, State.BELOW, "", "; ".join(dict.fromkeys(below)))


def _sure(pack: Pack, rule: Rule, alternative: Alternative, facts: Facts) -> Outcome:
    """A true rule, if what it rests on is sure enough; under `sure_from` it is said as probable."""
    hedge = ""
    if rule.rests_on is not None:
        least = pack.limits.confidence_min if rule.confidence_min is None else rule.confidence_min
        confidence = facts.confidence.get(rule.rests_on)
        if confidence is None:
            return Outcome(rule.id, State.UNKNOWN, "", f"not known: the confidence of {rule.rests_on}")
        if confidence < least:
            why = f"confidence of {rule.rests_on} {confidence:.2f}, needs {least:.2f}"
            return Outcome(rule.id, State.UNKNOWN, "", why)
        hedge = pack.texts.hedge if confidence < pack.limits.sure_from else ""
    text = _filled(alternative.says, facts)
    text = f"{text}; {_filled(rule.advice, facts)}." if rule.advice else f"{text}."
    if hedge:
        text = hedge + text[:1].lower() + text[1:]
    met = "; ".join(_met(c, facts) for c in alternative.all)
    return Outcome(rule.id, State.READY, text, met)


def _holds(condition: Condition, facts: Facts, true_days: Mapping[str, frozenset[date]], today: date) -> bool | None:
    if condition.rule is not None:
        days = true_days.get(condition.rule, frozenset())
        return all(today - timedelta(days=k) in days for k in range(condition.days_running or 1))
    value = getattr(facts, str(condition.fact))
    return None if value is None else condition.holds(value)


def _met(condition: Condition, facts: Facts) -> str:
    if condition.rule is not None:
        return f"{condition.text()}: yes"
    return f"{condition.text()}: {getattr(facts, str(condition.fact)):g}"


def _short(condition: Condition, facts: Facts) -> str:
    if condition.rule is not None:
        return f"{condition.text()}: no"
    return f"{condition.text()}, was {getattr(facts, str(condition.fact)):g}"


class _Times(float):
    """A count that reads `once`, `twice`, `3 times` in the form `times`."""

    def __format__(self, spec: str) -> str:
        count = round(self)
        if spec == "times":
            return {1: "once", 2: "twice"}.get(count, f"{count} times")
        return f"{count}"


def _filled(template: str, facts: Facts) -> str:
    """The sentence with its numbers: minutes as a span, shares with %, the rest whole."""
    values: dict[str, object] = {}
    for _, name, _, _ in string.Formatter().parse(template):
        if name is None:
            continue
        value = getattr(facts, name)
        if name in TEXT_FACTS:
            values[name] = value
        elif name.endswith("_min"):
            values[name] = span(value)
        else:
            values[name] = f"{value:.0f} %" if name.endswith("_pct") else _Times(value)
    return template.format_map(values)


def _held_back(rule: Rule, outcome: Outcome, comes_first: str | None, memory: Memory, today: date) -> Outcome:
    """Withheld behind what comes first (a rule's id, or what stopped the programme), or cooling down."""
    if outcome.state is not State.READY or rule.id == comes_first:
        return outcome
    if comes_first is not None:
        return replace(outcome, state=State.WITHHELD, why=f"withheld: {comes_first} comes first")
    said = memory.said.get(rule.id)
    if said is not None and (today - said).days < rule.cooldown_days:
        again = said + timedelta(days=rule.cooldown_days)
        return replace(outcome, state=State.COOLING, why=f"said on {said}; again from {again}")
    return outcome


def _blocked(pack: Pack, block: Rule, outcomes: Mapping[str, Outcome], today: date) -> Advice:
    """No coaching: care text for a stop, one sentence where there is not enough data."""
    said = replace(outcomes[block.id], state=State.SAID)
    notice = pack.texts.stop if block.group == "stop" else pack.texts.no_data
    shown = tuple(said if o.rule == block.id else o for o in (outcomes[r.id] for r in pack.rules))
    return Advice(today, None, (), None, "", "", None, f"{said.text} {notice}", shown)


def _practice(pack: Pack, at: Progress, rule: Rule | None) -> tuple[str | None, str]:
    """Tonight's practice: the rule's, or what leads to it while its gate is not passed, else the plan's next."""
    wanted = pack.practice(rule.practice) if rule is not None and rule.practice is not None else None
    if rule is not None and wanted is not None and wanted.kind == "routine":
        return wanted.id, f"Tonight: {wanted.name}, {wanted.dose.text()}."
    standing = next_exercise(at, wanted.id if wanted else None)
    if standing is None:
        return None, ""
    does = f"Tonight: {standing.practice.name}, {standing.target_reps} reps"
    does += " each side" if standing.practice.dose.per_side else ""
    if wanted is not None and standing.practice.id != wanted.id:
        return standing.practice.id, f"{does}; the {wanted.name} opens after it."
    return standing.practice.id, f"{does}."
