"""Results folders of made-up days, and a report's page as a reader and a browser would find it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import report, words
from analysis.daily import summarise
from analysis.inputs import load
from posture.types import CONTEXT_NAMES, EpochBlock, Verdict

BANNED = ("bad posture", "damage", "dangerous", "correct spine", "injury risk")


def session_json(*, two: bool = True, clock: bool = True, **changes: Any) -> dict[str, Any]:
    """session.json of a calibrated wear; without `two` the sacrum alone."""
    sensors = ["sacrum", "upper_lumbar"] if two else ["sacrum"]
    judges = (
        "Two sensors: sitting in flexion, bends and floor transitions are measured and judged."
        if two
        else "One sensor at the belt line: sitting in flexion is judged; forward leans are counted, not judged."
    )
    return {
        "format": 1,
        "code_version": "0.1.0",
        "source": "day.parquet",
        "start_utc": "2026-03-02T07:00:00+00:00" if clock else None,
        "zone": "Europe/Berlin" if clock else None,
        "sensors": sensors,
        "rate_hz": dict.fromkeys(sensors, 50.0),
        "gyroscope": dict.fromkeys(sensors, True),
        "preset": "balanced",
        "calibration": {
            "format": 1,
            "source": "poses",
            "grade": "good",
            "reasons": [],
            "rom_deg": 50.0 if two else None,
            "rom_source": "measured" if two else None,
            "flexed_sitting": True,
        },
        "judges": judges,
        "notes": [] if clock else ["No clock: quiet hours and days are unknown."],
        "config": {},
    } | changes


def event_json(kind: str, start_s: float, **changes: Any) -> dict[str, Any]:
    """One entry of events.json, three seconds long."""
    end_s = start_s + 3.0
    fixed = {"kind": kind, "start_s": start_s, "end_s": end_s, "peak_s": start_s + 1.5, "peak_deg": 50.0}
    return fixed | {"verdict": "unknown", "basis": "two", "confidence": 0.9, "set_id": None} | changes


def write_folder(
    folder: Path,
    *,
    columns: Mapping[str, Any],
    session: Mapping[str, Any],
    events: list[dict[str, Any]] | None = None,
    alerts: list[dict[str, Any]] | None = None,
) -> Path:
    """A replay folder; `columns` holds `context` (names) and `flexed` (True, False, None), the rest has quiet defaults."""
    n = len(columns["context"])
    nan = np.full(n, np.nan)
    table: dict[str, Any] = {
        "start_s": np.arange(float(n)),
        "context_confidence": np.full(n, 0.9),
        "creep": np.zeros(n),
    }
    table |= dict.fromkeys(
        ("sacrum_inclination_deg", "upper_lumbar_inclination_deg", "flexion_deg", "lateral_deg", "flexion_pct_rom"), nan
    )
    table |= {"slump_index_pct": nan, "valid_fraction": np.ones(n)} | dict(columns)
    table["context"] = pa.array(list(table["context"]), pa.string())
    table["flexed"] = pa.array(list(table.get("flexed", [None] * n)), pa.bool_())
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), folder / "epochs.parquet")
    for name, content in (("session", session), ("events", events or []), ("alerts", alerts or [])):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def realistic_folder(folder: Path, *, hours: float = 8.5, two: bool = True, clock: bool = True) -> Path:
    """An office day by chance but always the same: desk bouts that drift into flexion, walks, bends, gaps, a lie-down."""
    rng = np.random.default_rng(3)
    n = int(hours * 3600)
    context, pct = _activities(rng, n)
    sits = context == "sitting"
    pct = np.where(sits, pct, np.nan)
    flexed = np.where(sits & (rng.random(n) > 0.001), pct >= (60 if two else 62), None)
    flexed[(np.arange(n) % 9000) < 500] = None
    creep, c = np.zeros(n), 0.0
    for k, (name, level) in enumerate(zip(context, pct, strict=True)):
        if name == "sitting" and flexed[k] is not None:
            c += (min(1.0, max(0.0, (level - 40) / 20)) - c) / (9.4 * 60)
        elif name in ("standing", "walking", "lying"):
            c -= c / (2.9 * 60)
        creep[k] = c
    seen = np.where(context == "gap", np.nan, 0.0)
    columns = {
        "context": context,
        "flexed": flexed,
        "creep": creep,
        "valid_fraction": np.where(context == "gap", 0.0, 0.99),
        "sacrum_inclination_deg": seen + np.where(sits, -pct / 3, 2.0),
        "upper_lumbar_inclination_deg": seen + 5.0 if two else np.full(n, np.nan),
        "flexion_deg": seen + np.where(sits, pct / 2, 3.0) if two else np.full(n, np.nan),
        "flexion_pct_rom" if two else "slump_index_pct": pct,
    }
    over = np.flatnonzero(np.diff((creep >= 0.8).astype(int)) == 1)
    alerts = [
        {
            "about_s": float(k),
            "raised_s": float(k + 6),
            "kind": "flexed_sitting",
            "preset": "balanced",
            "reason": f"time-in-flexion meter {creep[k]:.2f} <b>sat</b> flexed",
        }
        for k in over[:8]
    ]
    events = _movements(rng, context, two=two)
    return write_folder(
        folder, columns=columns, session=session_json(two=two, clock=clock), events=events, alerts=alerts
    )


def _activities(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Context names and % of range for n seconds."""
    context, pct = np.full(n, "standing", dtype=object), np.full(n, 20.0)
    at = 120
    while at < n:
        for name, low_s, high_s in (("walking", 60, 400), ("transition", 3, 4), ("sitting", 200, 4200)):
            length = int(rng.integers(low_s, high_s))
            context[at : at + length] = name
            drift = 35 + 45 * (1 - np.exp(-np.arange(length) / 900.0)) + rng.normal(0, 5)
            pct[at : at + length] = drift[: max(0, n - at)] + rng.normal(0, 3, len(pct[at : at + length]))
            at += length
        at += int(rng.integers(20, 500))
    for name, share, length in (("lying", 0.55, 900), ("unknown", 0.3, 240), ("gap", 0.42, 420), ("gap", 0.8, 45)):
        context[int(share * n) : int(share * n) + length] = name
    context[int(0.9 * n) : int(0.9 * n) + 1200] = "non_wear"
    return context, pct


def _movements(rng: np.random.Generator, context: np.ndarray, *, two: bool) -> list[dict[str, Any]]:
    """Bends, chair and floor transitions of the realistic day, in order of start."""
    basis = "two" if two else "one"
    upright = np.flatnonzero(np.isin(context, ["standing", "walking"]))
    verdicts = list(Verdict) if two else [Verdict.UNKNOWN]
    events = []
    for start in np.sort(rng.choice(upright, min(60, len(upright)), replace=False)):
        verdict = verdicts[int(rng.integers(len(verdicts)))]
        share = {"rounded": 0.6, "mixed": 0.45, "neutral": 0.25, "unknown": 0.4}[verdict.value] + rng.normal(0, 0.05)
        peak = float(rng.uniform(30, 95))
        flexion = {"flexion_peak_deg": min(50.0, peak * share)} if two else {}
        end_s = float(start + rng.exponential(5) + 1)
        events.append(
            event_json("bend", float(start), end_s=end_s, peak_deg=peak, verdict=verdict, basis=basis) | flexion
        )
    for k in np.flatnonzero((context[1:] == "sitting") & (context[:-1] == "transition")):
        verdict = ["rounded", "neutral", "unknown"][int(k) % 3] if two else "unknown"
        events.append(event_json("stand_to_sit", float(k), verdict=verdict, basis=basis))
    for share, way, path in ((0.549, "down", "half_kneel"), (0.58, "up", "straight_sit_up")):
        verdict = ("rounded" if way == "up" else "neutral") if two else "unknown"
        evidence = {"direction": way, "path": path, "surface": "floor_or_bed"}
        events.append(
            event_json("floor_transition", share * len(context), verdict=verdict, basis=basis, confidence=0.7)
            | evidence
        )
    events += [event_json("gap", 0.42 * len(context), end_s=0.42 * len(context) + 420, verdict=None, peak_deg=None)]
    events += [event_json("bend", 0.2 * len(context) + k, set_id=1, basis=basis) for k in range(5)]
    return sorted(events, key=lambda e: e["start_s"])


def quiet_folder(folder: Path, events: list[dict[str, Any]], **session: Any) -> Path:
    """Ten minutes of standing with these events."""
    columns = {"context": ["standing"] * 600, "flexed": [None] * 600}
    return write_folder(folder, columns=columns, session=session_json(**session), events=events)


def epochs_of(*stretches: tuple[str, int, int], **columns: Any) -> EpochBlock:
    """Epochs from (context, flexed, seconds), all else zero."""
    n = sum(s for _, _, s in stretches)
    given = {
        "start_s": np.arange(float(n)),
        "context": np.array([CONTEXT_NAMES.index(c) for c, _, s in stretches for _ in range(s)], dtype=np.int8),
        "flexed": np.array([f for _, f, s in stretches for _ in range(s)], dtype=np.int8),
    }
    return EpochBlock(**({f.name: np.zeros(n) for f in fields(EpochBlock)} | given | columns))


class Page(HTMLParser):
    """What a reader and a browser would find: text without styles, references, unbalanced tags, ids, headings."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr", "path", "use"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.labels: list[str] = []
        self.captions = self.tables = self.pictures = 0
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        given = dict(attrs)
        self.references += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "action", "data", "srcset")]
        self.ids += [given["id"] or ""] if "id" in given else []
        self.headings += [tag] if tag in ("h1", "h2", "h3") else []
        self.captions += tag == "caption"
        self.tables += tag == "table"
        if tag == "svg":
            self.pictures += 1
            assert given["role"] == "img"
            assert given["aria-label"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def html_of(folder: Path) -> str:
    day = load(folder)
    return report.render_html(day, report.advice_on((day,), day))


def page(folder: Path) -> Page:
    return Page(html_of(folder))


def sentences(folder: Path) -> tuple[words.Sentence, ...]:
    day = load(folder)
    summary = summarise(day.epochs, day.events, day.alerts, day.session)
    return words.words(summary, report.advice_on((day,), day))


def said(folder: Path) -> str:
    return " ".join(s.text for s in sentences(folder))


def count_words(folder: Path) -> int:
    """Of what was seen and said; basis and what was not judged come after."""
    return sum(len(s.text.split()) for s in sentences(folder) if s.kind not in ("basis", "not_judged"))
