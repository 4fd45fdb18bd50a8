"""One page for a physiotherapist: what was measured, how surely, and what was done, without a judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from analysis.exposure_data import set_name
from analysis.programme.diary import Entry, ExerciseEntry, PainEntry, PracticeEntry
from analysis.programme.pack import Pack
from analysis.programme.progress import progress
from analysis.schema import DailySummary, FloorGroup, PainSaid, WorkoutSet
from analysis.trends import Trend, shown
from analysis.words import PATHS, SENSOR_NAMES, leans, plain, span, way

CHANGES_SHOWN = 3
Row = tuple[str, str]
Sections = tuple[tuple[str, tuple[Row, ...]], ...]


@dataclass(frozen=True, slots=True)
class LogOfDay:
    """What the log knows of a day. done : what was done against its dose. loads, changes : sentences, the newest last.

    plan_done_pct : of the plan's workouts in its window.
    """

    pain: PainSaid | None
    done: tuple[str, ...]
    loads: tuple[str, ...]
    changes: tuple[str, ...]
    plan_done_pct: float | None


def pain_of(entries: Sequence[Entry], on: date) -> PainSaid | None:
    """Pain of the day in the log; None where nothing was said."""
    said = [e for e in entries if isinstance(e, PainEntry) and e.day == on]
    sets = [e for e in entries if isinstance(e, ExerciseEntry) and e.day == on and e.pain is not None]
    if not said and not sets:
        return None

    def worst(when: str) -> int | None:
        return max((e.level for e in said if e.when == when), default=None)

    hurt = max(sets, key=lambda e: e.pain or 0, default=None)
    return PainSaid(
        morning=worst("morning"),
        evening=worst("evening"),
        other=worst("other"),
        leg=any(e.leg for e in said),
        in_exercise=hurt.pain if hurt else None,
        activity=hurt.exercise if hurt else None,
    )


def log_of(pack: Pack, entries: Sequence[Entry], on: date) -> LogOfDay | None:
    """The log up to a day; None without an entry."""
    until = [e for e in entries if e.day <= on]
    if not until:
        return None
    at = progress(pack, until, on)
    here = [e for e in until if e.day == on]
    doses = {p.id: p for p in pack.practices}
    done = []
    for name in dict.fromkeys(e.exercise for e in here if isinstance(e, ExerciseEntry)):
        reps = [e.reps for e in here if isinstance(e, ExerciseEntry) and e.exercise == name]
        dose = doses[name].dose.text() if name in doses else "not in the pack"
        done.append(f"{plain(name)} {'+'.join(map(str, reps))} reps (dose: {dose})")
    for e in here:
        if isinstance(e, PracticeEntry):
            dose = doses[e.practice].dose.text() if e.practice in doses else "not in the pack"
            done.append(f"{plain(e.practice)}{f' {e.minutes:g} min' if e.minutes else ''} (dose: {dose})")
    loads = [f"{plain(s.practice.id)} {s.load_kg:g} kg" for s in at.standings if s.load_kg and s.last_day]
    changes = [f"{d.day}: {d.text}" for d in at.decisions[-CHANGES_SHOWN:]]
    return LogOfDay(pain_of(until, on), tuple(done), tuple(loads), tuple(changes), at.plan_done_pct)


def sheet_rows(
    summary: DailySummary, *, log: LogOfDay | None, trend: Trend | None, settings: Sequence[Row]
) -> Sections:
    """Sections of (label, value); what is not known says so."""
    return (
        ("Wear", tuple(_wear(summary))),
        ("Sitting", tuple(_sitting(summary))),
        ("Movements", tuple(_movements(summary))),
        ("Alerts", tuple(_alerts(summary))),
        ("Exercise and pain", tuple(_exercise(summary, log))),
        ("Against the person's own weeks", tuple(_trend(trend))),
        ("Judged with", (*settings, ("program", f"posture-monitor {summary.code_version}"))),
    )


def _wear(s: DailySummary) -> list[Row]:
    wear, basis = s.wear, s.basis
    valid = {"day": "a day", "short_recording": "a short recording, not a day", "empty": "nothing worn"}[wear.validity]
    if wear.validity == "day" and not wear.counts_for_trend:
        valid += "; under 6 h"
    two = len(basis.sensors) == 2
    if not two:
        rom = "not measured by one sensor"
    elif basis.rom_deg is None:
        rom = "not known"
    else:
        rom = f"{basis.rom_deg:.0f} deg ({'measured' if basis.rom_source == 'measured' else 'a population value, not their own'})"
    age = basis.calibration_age_days
    made = "date not known" if age is None else "made that day" if not age else f"{age} days old"
    slow = "not known" if wear.reduced_rate_min is None else span(wear.reduced_rate_min)
    return [
        (
            "worn",
            f"{span(wear.worn_min)} of {span(wear.recorded_min)}; {valid}",
        ),
        ("gaps; not worn; reduced rate", f"{span(wear.gap_min)}; {span(wear.non_wear_min)}; {slow}"),
        ("sensors", " and ".join(SENSOR_NAMES.get(name, name) for name in basis.sensors) or "none"),
        ("calibration", f"{basis.calibration_grade} ({basis.calibration_source}), {made}"),
        ("lumbar range", rom),
    ]


def _sitting(s: DailySummary) -> list[Row]:
    sitting = s.sitting
    share = sitting.flexed_share_of_judged_pct
    flexed = (
        "not known"
        if share is None
        else f"{span(sitting.flexed_min)}, {share:.0f} % of {span(sitting.judged_min)} judged"
    )
    rows = [("in all", f"{span(sitting.total_min)}; not judged {span(sitting.unjudged_min)}"), ("flexed", flexed)]
    for spread in sitting.spreads:
        name = {"flexion_pct_rom": "% of range, P10/50/90", "slump_index_pct": "slump index, P10/50/90"}[spread.measure]
        rows.append((name, f"{spread.p10_pct:.0f} / {spread.p50_pct:.0f} / {spread.p90_pct:.0f}"))
    time = s.range_time
    over = "not measured by one sensor" if time is None else f"{span(time.over_60_min)} / {span(time.over_80_min)}"
    rows.append(
        ("over 60 / 80 % of range", over + (f" of {span(time.measured_min)}, all postures but lying" if time else ""))
    )
    longest = "" if sitting.longest_bout_min is None else f", longest {span(sitting.longest_bout_min)}"
    rows.append(("bouts of 20 min and more", f"{sitting.long_bouts} of {len(sitting.bouts)}{longest}"))
    shifts = "not known" if sitting.shifts is None else f"{sitting.shifts.per_15_min:.1f}"
    rows.append(("shifts in 15 min of sitting", shifts))
    return rows


def _movements(s: DailySummary) -> list[Row]:
    bends, rises = s.bends, s.chair_transitions["sit_to_stand"]
    name, hours = leans(s), s.wear.worn_min / 60
    rate = {v: f"{n / hours:.1f}" for v, n in bends.by_verdict.items() if n} if hours else {}
    share = "not measured by one sensor" if len(s.basis.sensors) < 2 else "not known"
    if bends.lumbar_share_pct is not None:
        share = f"{bends.lumbar_share_pct:.0f} % of the lean, the median at its deepest"
    rows = [
        ("chair rises", _by_verdict(rises)),
        (name, _by_verdict(bends.by_verdict)),
        (f"{name} an hour", ", ".join(f"{n} {_judged(v)}" for v, n in rate.items()) or "none"),
        (f"{name}, deep / held", f"{bends.deep} / {bends.sustained}"),
        ("lumbar share", share),
        ("drops onto a chair", "not known" if s.habits.plunges is None else _by_verdict(s.habits.plunges, flexed=True)),
    ]
    rows += [("floor or bed", _paths((*s.floor_transitions.groups, *s.bed_transitions)))]
    return rows


def _judged(verdict: str, *, flexed: bool = False) -> str:
    names = {"unknown": "not judged"} | ({"rounded": "ended flexed", "neutral": "not flexed"} if flexed else {})
    return names.get(verdict, verdict)


def _by_verdict(counts: dict[str, int], *, flexed: bool = False) -> str:
    total = sum(counts.values())
    parts = [f"{n} {_judged(v, flexed=flexed)}" for v, n in counts.items() if n]
    return f"{total} ({', '.join(parts)})" if parts else str(total)


def _paths(groups: Sequence[FloorGroup]) -> str:
    found: dict[str, int] = {}
    for group in groups:
        path = way(group) if group.path in PATHS else "way not known"
        found[f"{plain(group.direction)} {path}"] = found.get(f"{plain(group.direction)} {path}", 0) + group.count
    return "; ".join(f"{count} {name}" for name, count in found.items()) or "none"


def _alerts(s: DailySummary) -> list[Row]:
    rows = []
    for count in s.alert_counts:
        if count.raised:
            answered = "" if count.answered is None else f", {count.answered} answered"
            name = {"bend": leans(s, 1), "recalibrate": "sensor moved"}.get(count.kind, plain(count.kind))
            rows.append((name, f"{count.raised} raised{answered}, {count.wrong} called wrong"))
    rows = rows or [("alerts", "none raised" if s.sitting_alert_on else "none raised; the one on sitting was off")]
    quiet = s.silence
    wanted = quiet.paused_min or quiet.snoozed_min
    return [*rows, ("paused; snoozed", f"{span(quiet.paused_min)}; {span(quiet.snoozed_min)}")] if wanted else rows


def _exercise(s: DailySummary, log: LogOfDay | None) -> list[Row]:
    rows = []
    sets: dict[str, list[WorkoutSet]] = {}
    for found in s.workouts:
        sets.setdefault(set_name(found), []).append(found)
    rows += [(f"seen: {name}", _sets(done)) for name, done in sets.items()]
    for hold in s.practices:
        held = (
            "" if hold.hold_s is None else f"held {hold.hold_s:.0f} s" if hold.hold_s < 100 else span(hold.hold_s / 60)
        )
        drift = "" if hold.drift_deg is None else f", drift {hold.drift_deg:.0f} deg"
        rows.append((f"seen: {plain(hold.practice)}{'' if hold.declared else ', perhaps'}", f"{held}{drift}"))
    if log is None:
        return [*rows, ("log", "no entries: dose, pain, load and level are not known")]
    rows.append(("done, by the log", "; ".join(log.done) or "nothing that day"))
    if log.plan_done_pct is not None:
        rows.append(("plan done", f"{log.plan_done_pct:.0f} %"))
    rows.append(("pain AM / PM, of 10", _pain(log.pain)))
    rows.append(("load", "; ".join(log.loads) or "none"))
    rows += [("level", change) for change in log.changes] or [("level", "no change")]
    return rows


def _sets(done: Sequence[WorkoutSet]) -> str:
    """Sets of one exercise: reps of each, clean ones of those whose form was measured, first failed reps."""
    judged = [w for w in done if w.clean_reps is not None]
    form = (
        f"{sum(w.clean_reps or 0 for w in judged)} of {sum(w.reps for w in judged)} clean"
        if judged
        else "form not measured"
    )
    failed = " and ".join(str(w.first_failed_rep) for w in done if w.first_failed_rep)
    text = f"{'+'.join(str(w.reps) for w in done)} reps, {form}"
    return f"{text}, first failed rep {failed}" if failed else text


def _pain(pain: PainSaid | None) -> str:
    if pain is None:
        return "not said"
    text = " / ".join("not said" if v is None else str(v) for v in (pain.morning, pain.evening))
    text += f"; at another time {pain.other}" if pain.other is not None else ""
    text += f"; in {plain(pain.activity)} {pain.in_exercise}" if pain.activity else ""
    return text + ("; into a leg" if pain.leg else "")


def _trend(trend: Trend | None) -> list[Row]:
    if trend is None or not trend.compared:
        return [("trend", "no earlier days")]
    week = min(c.window_days for c in trend.compared)
    of = [c for c in trend.compared if c.window_days == week]
    changed = [c for c in of if c.outcome == "change"]
    rows = []
    for c in changed:
        now, usual, bound = (shown(v or 0.0, c.unit) for v in (c.median, c.usual, c.detectable))
        rows.append((c.name, f"{now}; usual {usual}; detectable {bound}"))
    steady = sum(c.outcome == "no_change" for c in of)
    if steady or changed:
        return [*rows, (f"last {week} days", f"no real change in {steady} of {len(of)} numbers")]
    return [(f"last {week} days", of[0].text)]
