"""What the day's numbers say, in at most WORDS_MAX words. Unknown is said, never counted as good."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.daily import CHAIR_KINDS, LONG_BOUT_MIN
from analysis.inputs import DayEvent
from analysis.schema import DailySummary, FloorGroup
from posture.pipeline import CALIBRATION_SET
from posture.types import EventKind

WORDS_MAX = 120
MOSTLY_JUDGED = 0.8  # share that must be judged before something may be called well done; ours
PATHS = {
    "straight_sit_up": "straight {direction}",
    "log_roll": "rolled to the side first",
    "half_kneel": "over one knee",
}
"""How the way down to or up from the floor is said; the JSON keeps the words of the contract."""
SENSOR_NAMES = {"sacrum": "sacrum (belt line)", "upper_lumbar": "upper lumbar spine (T12-L1)"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the report's words. kind : `seen`, `win`, `habit`, `basis`, `not_judged`."""

    kind: str
    text: str


def span(minutes: float) -> str:
    """Minutes for reading: `5 h 10 min`, `34 min`, `under 1 min`."""
    if 0 < minutes < 0.5:
        return "under 1 min"
    whole = int(f"{minutes:.0f}")
    return f"{whole // 60} h {whole % 60} min" if whole >= 60 else f"{whole} min"


def words(summary: DailySummary) -> tuple[Sentence, ...]:
    """What the numbers say in at most WORDS_MAX words: seen, one thing that went well, two habits, basis, not judged.

    Later steps add the practice and the focus (rules R01-R20) as kinds of their own.
    """
    wear, minutes = summary.wear, summary.context_min
    if wear.validity == "empty":
        return (Sentence("seen", f"Nothing was worn in {span(wear.recorded_min)} recorded: nothing to judge."),)
    did = [("sat", "sitting"), ("stood", "standing"), ("walked", "walking")]
    did += [("lay", "lying")] if minutes["lying"] >= 1 else []
    told = [f"{verb} {span(minutes[name])}" for verb, name in did]
    text = f"In {span(wear.worn_min)} of wear you {', '.join(told[:-1])} and {told[-1]}."
    seen = [Sentence("seen", text)]
    habits = [Sentence("habit", habit) for habit in _habits(summary)[:2]]
    wins = [Sentence("win", f"What went well: {win}") for win in _wins(summary)[:1]]
    if wear.validity == "short_recording":
        seen = [Sentence("seen", f"This is a short recording, not a day; nothing here is a habit yet. {text}")]
        habits, wins = [Sentence("seen", habit.text) for habit in habits], []
    rest = [Sentence("basis", _basis(summary)), *(Sentence("not_judged", t) for t in _not_judged(summary))]
    while habits and sum(len(s.text.split()) for s in (*seen, *wins, *habits, *rest)) > WORDS_MAX:
        habits.pop()
    return (*seen, *wins, *habits, *rest)


def leans(summary: DailySummary, count: int = 2) -> str:
    """What bends are called: with one sensor a forward lean, because how the spine was held is not measured."""
    name = "bend" if len(summary.basis.sensors) == 2 else "forward lean"
    return name if count == 1 else name + "s"


def _judged(verdicts: dict[str, int]) -> int:
    return sum(verdicts.values()) - verdicts["unknown"]


def _chairs(summary: DailySummary) -> dict[str, int]:
    first, second = (summary.chair_transitions[kind] for kind in CHAIR_KINDS)
    return {verdict: first[verdict] + second[verdict] for verdict in first}


def _wins(summary: DailySummary) -> list[str]:
    """Things that went well, strongest first; each needs nearly all of its time or events judged."""
    sitting, wear, bends = summary.sitting, summary.wear, summary.bends
    found = []
    share = sitting.flexed_share_of_judged_pct
    if share is not None and share <= 25 and sitting.judged_min >= max(60, MOSTLY_JUDGED * sitting.total_min):
        out_min = sitting.judged_min - sitting.flexed_min
        found.append(f"{span(out_min)} of {span(sitting.judged_min)} judged sitting was out of flexion.")
    hidden_min = wear.gap_min + summary.context_min["unknown"]
    if sitting.total_min >= 60 and not sitting.long_bouts and hidden_min <= 0.1 * wear.recorded_min:
        found.append(f"none of your {len(sitting.bouts)} sitting bouts reached {LONG_BOUT_MIN:.0f} min.")
    judged, neutral = _judged(bends.by_verdict), bends.by_verdict["neutral"]
    if judged >= max(5, MOSTLY_JUDGED * bends.total) and neutral >= 0.7 * judged:
        found.append(f"{neutral} of {judged} judged {leans(summary)} were neutral.")
    if summary.context_min["walking"] >= 60:
        found.append(f"you walked {span(summary.context_min['walking'])}.")
    return found


def _habits(summary: DailySummary) -> list[str]:
    """What stood out, with its numbers, in order of weight (thresholds of rules R01, R02, R04, R08 of domain.md)."""
    sitting, bends, meter, chairs = summary.sitting, summary.bends, summary.meter, _chairs(summary)
    found = []
    if sitting.flexed_min >= 120 or (meter.high_min or 0) > 0 or any(b.flexed_min >= 20 for b in sitting.bouts):
        share = f"{span(sitting.flexed_min)} of {span(sitting.judged_min)} judged"
        top = f"; the time-in-flexion meter reached {meter.peak:.2f}" if meter.peak is not None else ""
        found.append(f"You sat flexed for {share} ({sitting.flexed_share_of_judged_pct or 0:.0f} %){top}.")
    if bends.by_verdict["rounded"] >= 3:
        if len(summary.basis.sensors) == 2:
            of = f"{bends.by_verdict['rounded']} of {_judged(bends.by_verdict)}"
            found.append(f"{of} judged {leans(summary)} were rounded.")
        else:  # one sensor never says neutral, so that a share of the judged ones would be all of them
            of = f"{bends.by_verdict['rounded']} of {bends.total}"
            found.append(f"{of} {leans(summary)} were so deep that they count as rounded.")
    elif bends.by_verdict["unknown"] == bends.total and bends.deep_or_sustained >= 5:
        found.append(f"There were {bends.deep_or_sustained} long or deep forward leans.")
    if sitting.long_bouts >= 3 or (sitting.share_of_worn_pct or 0) >= 75:
        longest = f"the longest held {span(sitting.longest_bout_min or 0)} of sitting"
        found.append(f"{sitting.long_bouts} sitting bouts lasted {LONG_BOUT_MIN:.0f} min or more; {longest}.")
    for counts, name in ((chairs, "chair"), (summary.floor_transitions.by_verdict, "floor")):
        if counts["rounded"] >= (0.3 * max(6, _judged(counts)) if name == "chair" else 1):
            how = (
                "rounded"
                if name == "chair" or len(summary.basis.sensors) == 2
                else "straight, without a turn to the side"
            )
            found.append(f"{counts['rounded']} of {_judged(counts)} judged {name} transitions were {how}.")
    return found


def _basis(summary: DailySummary) -> str:
    sensors = summary.basis.sensors
    count = "two sensors" if len(sensors) == 2 else f"one sensor, {SENSOR_NAMES.get(sensors[0], sensors[0])}"
    return f"Basis: {count}; calibration {summary.basis.calibration_grade}."


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
    return name.replace("_", " ")


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
