"""What the day's numbers say, in at most WORDS_MAX words. Unknown is said, never counted as good."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.daily import CHAIR_KINDS, LONG_BOUT_MIN, TREND_FROM_MIN
from analysis.inputs import DayEvent
from analysis.schema import DailySummary, DayAdvice, FloorGroup, PainSaid
from posture.types import CALIBRATION_SET, EventKind

WORDS_MAX = 120
"""Of what was seen and what the programme says of it; basis, not judged and left out come after."""
MOSTLY_JUDGED = 0.8  # share that must be judged before something may be called well done; ours
PATHS = {
    "straight_sit_up": "straight {direction}",
    "log_roll": "rolled to the side first",
    "half_kneel": "over one knee",
}
"""How the way down to or up from the floor is said; the JSON keeps the words of the contract."""
NAMES = {"offload_control": "off-load control"}
"""Names from a file that read otherwise than with spaces for their underscores."""
ALERT_NAMES = {
    "flexed_sitting": "on sitting",
    "bend": "on {leans}",
    "floor_transition": "on floor transitions",
    "recalibrate": "on a sensor that moved",
}
SENSOR_NAMES = {"sacrum": "sacrum (belt line)", "upper_lumbar": "upper lumbar spine (T12-L1)"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the report's words. kind : `seen`, `win`, `habit`, `practice`, `focus`, `notice`, `basis`, `not_judged`.

    rule : of the programme, where one says it.
    """

    kind: str
    text: str
    rule: str = ""


def span(minutes: float) -> str:
    """Minutes for reading: `5 h 10 min`, `5 h`, `34 min`, `under 1 min`."""
    if 0 < minutes < 0.5:
        return "under 1 min"
    hours, rest = divmod(int(f"{minutes:.0f}"), 60)
    return " ".join([f"{hours} h"] * (hours > 0) + [f"{rest} min"] * (rest > 0 or not hours))


def words(summary: DailySummary, advice: DayAdvice | None = None) -> tuple[Sentence, ...]:
    """What was seen, what the programme says of it (at most WORDS_MAX words together), then basis and what was not judged.

    advice : one win, at most two habits, one practice, one focus; or a notice, and none of these.
    """
    wear, minutes = summary.wear, summary.context_min
    pain = pain_text(summary.pain) if summary.pain else ""
    noted = [Sentence("seen", f"Pain that you noted (0-10): {pain}.")] if pain else []
    if wear.validity == "empty":  # the log is heard all the same: a red flag needs no sensor
        nothing = Sentence("seen", f"Nothing was worn in {span(wear.recorded_min)} recorded: nothing to judge.")
        return (nothing, *noted, *(_said(advice) if advice else ()))
    did = [("sat", "sitting"), ("stood", "standing"), ("walked", "walking")]
    did += [("lay", "lying")] if minutes["lying"] >= 1 else []
    told = [f"{verb} {span(minutes[name])}" for verb, name in did]
    text = f"In {span(wear.worn_min)} of wear you {', '.join(told[:-1])} and {told[-1]}."
    if wear.validity == "short_recording":
        text = f"This is a short recording, not a day; nothing here is a habit yet. {text}"
    seen = [Sentence("seen", text)]
    if not wear.counts_for_trend and wear.validity == "day":
        none = ", and no habit is drawn from it" if advice and not advice.habits else ""
        seen.append(
            Sentence("seen", f"Worn for under {span(TREND_FROM_MIN)}: the day does not count in your weeks{none}.")
        )
    seen += noted
    numbers = _numbers(summary)
    said = _said(advice) if advice else []
    habits = [k for k, s in enumerate(said) if s.kind == "habit"]
    while sum(len(s.text.split()) for s in (*seen, *_joined(numbers), *said)) > WORDS_MAX and (numbers or habits):
        if numbers:
            numbers.pop()
        else:
            said.pop(habits.pop())
    rest = [Sentence("basis", _basis(summary)), *(Sentence("not_judged", t) for t in _not_judged(summary))]
    return (*seen, *_joined(numbers), *said, *rest)


def _joined(numbers: list[str]) -> list[Sentence]:
    """The day's numbers as one sentence, none where there are none."""
    text = "; ".join(numbers)
    return [Sentence("seen", f"{text[:1].upper()}{text[1:]}.")] if text else []


def _said(advice: DayAdvice) -> list[Sentence]:
    """The programme's sentences in the order in which they are read."""
    found = [Sentence("win", f"What went well: {_inside(advice.win.text)}", advice.win.rule)] if advice.win else []
    found += [Sentence("habit", habit.text, habit.rule) for habit in advice.habits]
    last = (("practice", advice.practice_text, ""), ("focus", advice.focus, advice.focus_rule or ""))
    return found + [Sentence(*s) for s in (*last, ("notice", advice.notice, "")) if s[1]]


def _inside(text: str) -> str:
    return text[:1].lower() + text[1:]


def _numbers(summary: DailySummary) -> list[str]:
    """The day's judged numbers and the alerts; the last are left away first where there are too many words.

    An answer of the wearer's is not left away before what they did not say.
    """
    sitting, bends = summary.sitting, summary.bends
    found = []
    if sitting.judged_min >= 1:
        share = sitting.flexed_share_of_judged_pct or 0
        found.append(
            f"of {span(sitting.judged_min)} judged sitting {span(sitting.flexed_min)} was flexed ({share:.0f} %)"
        )
    if _judged(bends.by_verdict) and len(summary.basis.sensors) == 2:
        rounded = bends.by_verdict["rounded"]
        found.append(f"{rounded} of {_judged(bends.by_verdict)} judged {leans(summary)} {_were(rounded)} rounded")
    elif bends.by_verdict[
        "rounded"
    ]:  # one sensor never says neutral, so that a share of the judged ones would be all of them
        rounded = bends.by_verdict["rounded"]
        found.append(f"{rounded} of {bends.total} {leans(summary)} {_were(rounded)} deep enough to count as rounded")
    elif bends.deep_or_sustained:
        found.append(
            f"{bends.deep_or_sustained} of {bends.total} forward leans {_were(bends.deep_or_sustained)} long or deep"
        )
    if sitting.bouts:
        found.append(f"{sitting.long_bouts} of {len(sitting.bouts)} sitting bouts reached {LONG_BOUT_MIN:.0f} min")
    alerts = _alerts(summary)
    at = 1 if any(c.wrong for c in summary.alert_counts) else len(found)
    return [*found[:at], *([alerts] if alerts else []), *found[at:]]


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _alerts(summary: DailySummary) -> str:
    """`4 alerts: 3 on sitting (2 answered), 1 on bends, and you called 1 wrong`; empty where none was raised."""
    raised = [c for c in summary.alert_counts if c.raised]
    total, wrong = sum(c.raised for c in raised), sum(c.wrong for c in raised)
    if not total:
        return ""
    names = [ALERT_NAMES.get(c.kind, f"on {plain(c.kind)}").format(leans=leans(summary)) for c in raised]
    answers = ["" if c.answered is None else f" ({c.answered} answered)" for c in raised]
    head = f"{total} alert{'s' * (total != 1)}"
    if len(raised) == 1:
        text = f"{head} {names[0]}{answers[0]}"
    else:
        kinds = (f"{c.raised} {name}{answer}" for c, name, answer in zip(raised, names, answers, strict=True))
        text = f"{head}: {', '.join(kinds)}"
    return f"{text}, and you called {wrong} wrong" if wrong else text


def pain_text(pain: PainSaid) -> str:
    """Pain of the log for reading: `morning 2, evening 4, in your brace 3, into a leg`; `2` where no time was said."""
    told = (("morning", pain.morning), ("evening", pain.evening), ("at another time", pain.other))
    known = [(when, level) for when, level in told if level is not None]
    parts = [f"{when} {level}" if len(known) > 1 or when != "at another time" else f"{level}" for when, level in known]
    parts += [f"in your {plain(pain.activity)} {pain.in_exercise}"] if pain.activity else []
    return ", ".join([*parts, "into a leg"] if pain.leg else parts)


def leans(summary: DailySummary, count: int = 2) -> str:
    """What bends are called: with one sensor a forward lean, because how the spine was held is not measured."""
    name = "bend" if len(summary.basis.sensors) == 2 else "forward lean"
    return name if count == 1 else name + "s"


def _judged(verdicts: dict[str, int]) -> int:
    return sum(verdicts.values()) - verdicts["unknown"]


def _chairs(summary: DailySummary) -> dict[str, int]:
    first, second = (summary.chair_transitions[kind] for kind in CHAIR_KINDS)
    return {verdict: first[verdict] + second[verdict] for verdict in first}


def _basis(summary: DailySummary) -> str:
    sensors = summary.basis.sensors
    count = "two sensors" if len(sensors) == 2 else f"one sensor, {SENSOR_NAMES.get(sensors[0], sensors[0])}"
    wear = summary.wear
    alone = (
        f", one of them alone for {span(wear.one_angle_min)}" if len(sensors) == 2 and wear.one_angle_min >= 1 else ""
    )
    return f"Basis: {count}{alone}; calibration {summary.basis.calibration_grade}."


def _not_judged(summary: DailySummary) -> list[str]:
    """What could not be judged, then what was left out; unknown is said, never counted as good."""
    sitting, wear = summary.sitting, summary.wear
    counted = (
        (summary.bends.by_verdict, leans(summary)),
        (_chairs(summary), "chair transitions"),
        (summary.floor_transitions.by_verdict, "floor transitions"),
    )
    open_ = [f"{span(sitting.unjudged_min)} of sitting"] if sitting.unjudged_min else []
    open_ += [f"{v['unknown']} of {sum(v.values())} {name}" for v, name in counted if v["unknown"]]
    open_ += [f"{span(summary.context_min['unknown'])} of unknown activity"] if summary.context_min["unknown"] else []
    out = [f"{span(wear.gap_min)} of gaps"] if wear.gap_min else []
    out += [f"{span(wear.non_wear_min)} not worn"] if wear.non_wear_min else []
    routine = sum(summary.left_out.calibration_movements.values())
    out += [f"{routine} movement{'s' * (routine != 1)} of the calibration routine"] if routine else []
    return [f"{head}: {', '.join(items)}." for head, items in (("Not judged", open_), ("Left out", out)) if items]


def plain(name: str) -> str:
    """A name from a file for reading: `sit_to_stand` -> `sit to stand`."""
    return NAMES.get(name, name.replace("_", " "))


_UNITS = {"pct": ", %,", "min": ", min,", "deg": ", deg,"}


def why_text(why: str) -> str:
    """The numbers of a rule for reading: `sitting_share_pct at least 75: 88.2092` -> `sitting share, %, at least 75: 88.2`."""

    def name(found: re.Match[str]) -> str:
        *words, last = found[0].split("_")
        return " ".join(words) + _UNITS[last] if last in _UNITS else plain(found[0])

    rounded = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.1f}", why)
    return re.sub(r"\b[a-z]+(_[a-z0-9]+)+\b", name, rounded)


def way(event: DayEvent | FloorGroup) -> str:
    """The path of a floor transition for reading, `not known` where it is not."""
    path, direction = (
        (event.path, event.direction)
        if isinstance(event, FloorGroup)
        else (event.word("path"), event.word("direction"))
    )
    if path == "unknown":
        return "not known"
    direction = direction if direction in ("down", "up") else "there"
    return PATHS[path].format(direction=direction) if path in PATHS else plain(path)


def verdict_of(event: DayEvent) -> str:
    """The verdict as a word of the page: a stretch of sitting is flexed, which one sensor at the sacrum can tell too."""
    if event.kind == EventKind.FLEXED_SITTING and event.verdict != "unknown":
        return "flexed"
    return event.verdict.value


def detail(event: DayEvent) -> str:
    """What an event says beyond the common columns, in a few words."""
    parts = []
    direction, path = event.word("direction"), way(event)
    if direction != "unknown" and direction not in path:
        parts.append(plain(direction))
    if event.word("path") != "unknown":
        parts.append(path)
    parts += [plain(event.word(k)) for k in ("surface", "exercise", "reps", "practice") if event.word(k) != "unknown"]
    share, flexion = event.number("flexion_peak_pct_rom"), event.number("flexion_peak_deg")
    if share is not None:
        degrees = f"{flexion:.0f}°, " if flexion is not None else ""
        parts.append(f"lumbar {degrees}{share:.0f} % of range")
    mean = event.number("mean_pct")
    if mean is not None:
        parts.append(
            f"mean slump index {mean:.0f}"
            if event.word("measure") == "slump_index_pct"
            else f"mean {mean:.0f} % of range"
        )
    hidden = event.number("events_left_out")
    if hidden:
        parts.append(f"{hidden:.0f} event{'s' * (hidden != 1)} in it left out")
    if event.set_id is not None:
        parts.append("calibration routine" if event.set_id == CALIBRATION_SET else f"in set {event.set_id}")
    return ", ".join(parts)


def origin_of(summary: DailySummary) -> str | None:
    """What a recording states of where it comes from; None for one that states nothing."""
    head = "Origin: "
    return next((note[len(head) :] for note in summary.notes if note.startswith(head)), None)
