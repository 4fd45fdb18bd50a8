"""What a finished run says on the terminal, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from posture.app.live import console
from posture.replay import Records
from posture.signal.calibration import Calibration
from posture.types import CALIBRATION_SET, Basis, Context, JsonValue

_NAMES = {
    "bend": ("bend", "bends"),
    "sit_to_stand": ("chair rise", "chair rises"),
    "stand_to_sit": ("sit-down", "sit-downs"),
    "floor_transition": ("floor transition", "floor transitions"),
    "sit_to_lie": ("lie-down", "lie-downs"),
    "lie_to_sit": ("sit-up from lying", "sit-ups from lying"),
    "roll": ("turn while lying", "turns while lying"),
    "supine_curl": ("curl while lying", "curls while lying"),
    "flexed_sitting": ("stretch of flexed sitting", "stretches of flexed sitting"),
}
"""Events that are counted. Gaps and time not worn are in the worn time."""
_ALERTS = {"flexed_sitting": "on sitting", "bend": "on bends", "floor_transition": "on floor transitions"}
_VERDICTS = {"rounded": "rounded", "mixed": "mixed", "neutral": "neutral", "unknown": "not judged"}


def say(line: str, *, wrap: bool = True) -> None:
    """One line on standard output; on a terminal broken between words, a path never."""
    console().print(line, soft_wrap=None if wrap else True)


def calibration_lines(calibration: Calibration) -> list[str]:
    """What can be judged, the range and the grade with its reasons."""
    lines = [calibration.judges()]
    if calibration.basis is Basis.TWO:
        source = "measured" if calibration.rom_measured else "a population value, not your own"
        lines.append(f"Range: {calibration.rom_deg:.0f} deg of lumbar flexion ({source}).")
    grade = f"Calibration: {calibration.grade}"
    return [
        *lines,
        f"{grade}, because:" if calibration.reasons else f"{grade}.",
        *(f"  - {r}" for r in calibration.reasons),
    ]


def result_lines(made: Records) -> list[str]:
    """Basis, what was found, alerts and what had to be said once."""
    lines = calibration_lines(made.calibration)
    notes = made.session["notes"]
    # That it was not calibrated is said by the reasons above.
    told = [n for n in notes if not str(n).startswith("Not calibrated")] if isinstance(notes, list) else []
    lines += [f"Note: {note}" for note in told]
    daily = [e for e in made.events if e["set_id"] is None]
    two = made.calibration.basis is Basis.TWO
    found = [_counted(kind, [e for e in daily if e["kind"] == kind], two=two) for kind in _NAMES]
    seen = "; ".join(text for text in found if text) or "no event"
    lines += _day_lines(made)
    lines.append(f"{_span(len(made.epochs))} of recording, {_span(_worn_s(made))} worn: {seen}.")
    routine_n = sum(e["set_id"] == CALIBRATION_SET for e in made.events)
    if routine_n:
        lines.append(f"{routine_n} movements of the calibration routine are left out of these counts.")
    kinds = Counter(str(a["kind"]) for a in made.alerts)
    names = _ALERTS if two else _ALERTS | {"bend": "on forward leans"}
    what = ", ".join(f"{n} {names.get(kind, kind)}" for kind, n in kinds.items())
    lines.append(f"Alerts: {len(made.alerts)}{f' ({what})' if what else ''}.")
    return lines


def _day_lines(made: Records) -> list[str]:
    """Which days a recording over 04:00 has a part in."""
    from analysis.inputs import Clock

    start, zone, start_s = made.session["start_utc"], made.session["zone"], made.epochs.start_s
    if start is None or not len(start_s):
        return []
    clock = Clock(datetime.fromisoformat(str(start)), ZoneInfo(str(zone or "UTC")))
    days = clock.days(float(start_s[0]), float(start_s[-1]))
    if len(days) < 2:
        return []
    edges = np.searchsorted(start_s, [begin_s for _, begin_s in days[1:]]).tolist()
    parts = [f"{day} {_span(b - a)}" for (day, _), a, b in zip(days, [0, *edges], [*edges, len(start_s)], strict=True)]
    told = f"Days, from 04:00 to 04:00 in {clock.zone.key}: {', '.join(parts)}."
    return [f"{told} The summary and the report are of the one worn longest; `posture report --day` gives the others."]


_PATHS = {"rounded": "straight", "neutral": "with a turn or over one knee"}
"""What one sensor saw of a floor transition: its path, not the back."""


def _counted(kind: str, events: list[dict[str, JsonValue]], *, two: bool) -> str:
    """`17 bends (10 rounded, 7 neutral)`; nothing where there are none."""
    if not events:
        return ""
    one, many = _NAMES[kind] if two or kind != "bend" else ("forward lean", "forward leans")
    text = f"{len(events)} {one if len(events) == 1 else many}"
    if kind == "flexed_sitting":
        return f"{text} ({_span(sum(_length_s(e) for e in events))}, lulls included)"
    verdicts = Counter(str(e["verdict"]) for e in events)
    words = _VERDICTS if two or kind != "floor_transition" else _VERDICTS | _PATHS
    return f"{text} ({', '.join(f'{verdicts[v]} {word}' for v, word in words.items() if verdicts[v])})"


def _length_s(event: Mapping[str, JsonValue]) -> float:
    return float(str(event["end_s"])) - float(str(event["start_s"]))


def _worn_s(made: Records) -> int:
    return int(np.count_nonzero(~np.isin(made.epochs.context, (Context.GAP, Context.NON_WEAR))))


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
