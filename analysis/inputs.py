"""What the day's summary and the report read: the folder that `posture replay` writes.

Nothing here is heavier than numpy and pydantic until a file is opened: `posture replay` imports it for summary.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError, field_validator

from posture.alerts import Act
from posture.arrow_files import reading
from posture.days import DAY_BEGINS_H
from posture.types import (
    CONTEXT_NAMES,
    Basis,
    Bool,
    EpochBlock,
    InputError,
    Int,
    Int8,
    JsonValue,
    Placement,
    Verdict,
)

FORMAT = 1
"""The version of session.json that this code reads."""
EPOCH_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(EpochBlock))
"""Columns of epochs.parquet, by the names of `EpochBlock`."""
CODE_COLUMNS = ("context", "flexed")
T = TypeVar("T")
NOT_MEDICAL = (
    "Not a medical device. For general wellness and personal record only; it does not diagnose, treat, cure or prevent "
    "any condition and does not replace a clinician. Angles are estimates. Stop if an exercise increases pain."
)
RED_FLAGS = (
    "saddle numbness, bladder or bowel trouble, weakness in both legs, fever, major trauma, history of cancer, "
    "weight loss"
)
NOTICE = f"{NOT_MEDICAL} Red flags: {RED_FLAGS}."
"""What every report says, in the words of domain.md section 5."""


class DayEvent(BaseModel):
    """One entry of events.json; whatever else the entry holds is its evidence (`model_extra`).

    start_s, end_s : s from the start of the recording, half-open. peak_deg : deg, the kind's own angle.
    Kinds that a later version adds are kept under their own name.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    start_s: float
    end_s: float
    peak_s: float | None = None
    peak_deg: float | None = None
    verdict: Verdict = Verdict.UNKNOWN
    basis: Basis | None = None
    confidence: float | None = None
    set_id: int | str | None = None

    @field_validator("peak_s", "peak_deg", "confidence")
    @classmethod
    def _nan_is_none(cls, value: float | None) -> float | None:
        return None if value is None or np.isnan(value) else value

    @field_validator("verdict", mode="before")
    @classmethod
    def _null_is_unknown(cls, value: object) -> object:
        return Verdict.UNKNOWN if value is None else value

    @property
    def duration_s(self) -> float:
        """S."""
        return self.end_s - self.start_s

    @property
    def evidence(self) -> Mapping[str, JsonValue]:
        """The entry's other keys, names with units."""
        return self.model_extra or {}

    def number(self, name: str) -> float | None:
        """Evidence called `name` as a finite number, else None."""
        value = self.evidence.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            return None
        return float(value)

    def word(self, name: str) -> str:
        """Evidence called `name` as a word, `unknown` where there is none."""
        return str(self.evidence.get(name) or "unknown")

    def is_deep(self, session: Session) -> bool:
        """Whether a bend is deep: what the event says (`deep`), else its peak against the threshold of the wear."""
        said = self.evidence.get("deep")
        if isinstance(said, bool):
            return said
        trunk = Placement.UPPER_LUMBAR in session.sensors
        least_deg = (
            session.setting("bends.deep_trunk_deg", 60.0) if trunk else session.setting("bends.deep_sacrum_deg", 35.0)
        )
        return self.peak_deg is not None and self.peak_deg >= least_deg

    def is_sustained(self, session: Session) -> bool:
        """Whether a bend is sustained: what the event says (`sustained`), else its length."""
        said = self.evidence.get("sustained")
        return said if isinstance(said, bool) else self.duration_s >= session.setting("bends.sustained_s", 10.0)


class DayAlert(BaseModel):
    """One entry of alerts.json: what it judges (`about_s`), when it was raised, and why."""

    model_config = ConfigDict(frozen=True, extra="allow")

    about_s: float
    raised_s: float
    kind: str
    preset: str = ""
    reason: str = ""

    @property
    def was_wrong(self) -> bool:
        """Whether the wearer called it wrong: the last that was said of it in `answers` or `answer`."""
        extra = self.model_extra or {}
        answers = extra.get("answers")
        said = [a.get("said") for a in answers if isinstance(a, Mapping)] if isinstance(answers, list) else []
        judged = [word for word in (*said, extra.get("answer")) if word in ("wrong", "right")]
        return judged[-1:] == ["wrong"]


class SegmentInfo(BaseModel):
    """From first_s on the sensors sent rate_hz samples a second."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first_s: float
    rate_hz: float


class SilenceInfo(BaseModel):
    """[from_s, to_s) in which the wearer wanted no alerts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    act: Act
    from_s: float
    to_s: float


class CalibrationInfo(BaseModel):
    """The calibration that was in force. rom_deg : deg, lumbar range of motion, `measured` or a `population` value.

    made_utc : when; of a quick one, base_utc is when the full one under it was made. None: not known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    grade: str
    reasons: tuple[str, ...] = ()
    rom_deg: float | None = None
    rom_source: str | None = None
    flexed_sitting: bool
    made_utc: AwareDatetime | None = None
    base_utc: AwareDatetime | None = None

    @property
    def full_utc(self) -> datetime | None:
        """When the poses were held that it rests on; None for one that made itself, and where that is not known."""
        return {"self": None, "quick": self.base_utc}.get(self.source, self.made_utc)


@dataclass(frozen=True, slots=True)
class Part:
    """The day of a longer session that is looked at: its first second, and all days of the session (ISO dates)."""

    first_s: float
    days: tuple[str, ...]


class Session(BaseModel):
    """session.json: where the recording comes from and what was in force.

    start_utc : the moment of second 0, None without a clock. zone : IANA name; a clock without a zone is read as UTC.
    part : not in the file; None: the whole session.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int
    code_version: str
    source: str
    start_utc: AwareDatetime | None
    zone: str | None
    sensors: tuple[Placement, ...]
    gyroscope: dict[str, bool] = {}
    preset: str = ""
    calibration: CalibrationInfo
    judges: str
    notes: tuple[str, ...] = ()
    segments: tuple[SegmentInfo, ...] = ()
    silences: tuple[SilenceInfo, ...] = ()
    config: dict[str, dict[str, Any]] = {}
    part: Part | None = None

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
                raise ValueError(f"{value!r} is not an IANA time zone") from error
        return value

    def setting(self, key: str, default: float) -> float:
        """A number of the configuration in force, `section.name`; the design's default where the file carries none."""
        section, name = key.split(".")
        value = (self.config.get(section) or {}).get(name)
        return float(value) if isinstance(value, int | float) else default

    @property
    def clock(self) -> Clock:
        """How seconds of this recording read on the wall."""
        return Clock(self.start_utc, ZoneInfo(self.zone or "UTC"), self.part.first_s if self.part else 0.0)


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns seconds of the recording into local time, or into time from the start where there is no clock.

    today_s : a second of the day on which a time carries no mark of another day.
    """

    start_utc: datetime | None
    zone: ZoneInfo
    today_s: float = 0.0

    @property
    def known(self) -> bool:
        """True where the recording carries a start in UTC."""
        return self.start_utc is not None

    @property
    def axis(self) -> str:
        """What a time axis is called."""
        return f"local time ({self.zone.key})" if self.known else "time from the start (h:mm)"

    def at(self, second_s: float) -> datetime | None:
        """Local time of a second; None without a clock."""
        if self.start_utc is None:
            return None
        return (self.start_utc + timedelta(seconds=float(second_s))).astimezone(self.zone)

    def text(self, second_s: float, *, seconds: bool = True) -> str:
        """`09:12:05`, later days marked `+1 d`, an hour that comes twice with its zone: `02:30:00 CEST`; without a clock
        `0:12:05` from the start.
        """
        local = self.at(second_s)
        if local is None:
            minutes, rest = divmod(int(second_s), 60)
            return f"{minutes // 60}:{minutes % 60:02d}" + (f":{rest:02d}" if seconds else "")
        today = self.at(self.today_s)
        days = (local.date() - today.date()).days if today else 0
        twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        text = f"{local:%H:%M:%S}"[: 8 if seconds else 5] + (f" {local.tzname()}" if twice else "")
        return text + (f" {days:+d} d" if days else "")

    def steps(self, first_s: float, last_s: float, step_s: int) -> list[float]:
        """Seconds in [first_s, last_s] on whole steps of the local day, or of the recording without a clock.

        Where the clocks change, an hour that comes twice has its steps twice, and one that is left out has none.
        """
        first, last = self.at(first_s), self.at(last_s)
        if first is None or last is None or self.start_utc is None:
            start_s = first_s + (-first_s) % step_s
            return [
                start_s + k * step_s for k in range(int(max(0.0, last_s - start_s) // step_s) + 1) if start_s <= last_s
            ]
        change = abs((first.utcoffset() or timedelta()) - (last.utcoffset() or timedelta()))
        wall, end = first.replace(tzinfo=None) - change, last.replace(tzinfo=None) + change
        wall -= (wall - datetime.combine(wall, time())) % timedelta(seconds=step_s)
        found = set()
        while wall <= end:
            for fold in (0, 1):
                moment = wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)
                there = moment.astimezone(self.zone).replace(tzinfo=None) == wall  # not left out
                at_s = (moment - self.start_utc).total_seconds()
                if there and first_s <= at_s <= last_s:
                    found.add(at_s)
            wall += timedelta(seconds=step_s)
        return sorted(found)

    def day_of(self, second_s: float) -> date | None:
        """The day to which a second belongs: 02:00 belongs to the evening before. None without a clock."""
        local = self.at(second_s)
        return None if local is None else local.date() - timedelta(days=local.hour < DAY_BEGINS_H)

    def days(self, first_s: float, last_s: float) -> list[tuple[str, float]]:
        """The days of [first_s, last_s] and the second at which each begins, in order; none without a clock."""
        day, end = self.day_of(first_s), self.day_of(last_s)
        if day is None or end is None or self.start_utc is None:
            return []
        found = []
        while day <= end:
            begin = datetime.combine(day, time(DAY_BEGINS_H), tzinfo=self.zone)
            found.append((day.isoformat(), (begin.astimezone(UTC) - self.start_utc).total_seconds()))
            day += timedelta(days=1)
        return found


@dataclass(frozen=True, slots=True)
class Period:
    """What a recording covers: [first_s, last_s) and, with a clock, local times (ISO 8601), its day, and all days of its session.

    Of a session over several days this is the part that lies in `day`.
    """

    clock_known: bool
    zone: str | None
    first_s: float
    last_s: float
    start_local: str | None
    end_local: str | None
    day: str | None
    session_days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportInput:
    """A replay folder in memory."""

    epochs: EpochBlock
    events: tuple[DayEvent, ...]
    alerts: tuple[DayAlert, ...]
    session: Session

    @classmethod
    def from_records(
        cls,
        epochs: EpochBlock,
        *,
        events: Iterable[Mapping[str, JsonValue]],
        alerts: Iterable[Mapping[str, JsonValue]],
        session: Mapping[str, JsonValue],
    ) -> ReportInput:
        """From what a replay holds in memory: whole-session epochs and the dictionaries that go into its JSON files."""
        check_epochs(epochs)
        return cls(
            epochs,
            _checked(TypeAdapter(tuple[DayEvent, ...]), list(events), "events"),
            _checked(TypeAdapter(tuple[DayAlert, ...]), list(alerts), "alerts"),
            _session(session, "session"),
        )


def period_of(epochs: EpochBlock, session: Session) -> Period:
    """The period of these epochs; its day is that of its first second."""
    clock = session.clock
    first_s = float(epochs.start_s[0]) if len(epochs) else 0.0
    last_s = float(epochs.start_s[-1]) + 1.0 if len(epochs) else 0.0
    start, end, day = clock.at(first_s), clock.at(last_s), clock.day_of(first_s)
    if start is None or end is None or day is None:
        return Period(False, None, first_s, last_s, None, None, None, ())
    at = [moment.isoformat(timespec="seconds") for moment in (start, end)]
    days = session.part.days if session.part else tuple(d for d, _ in clock.days(first_s, max(first_s, last_s - 1.0)))
    return Period(True, clock.zone.key, first_s, last_s, at[0], at[1], day.isoformat(), days)


def runs(codes: Int | Int8 | Bool) -> tuple[Int, Int, Int]:
    """Runs of equal codes: first index, index behind the last, and code; each (k,), half-open."""
    if not len(codes):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
    edges = np.flatnonzero(np.diff(codes.astype(np.int64))) + 1
    start = np.concatenate([[0], edges])
    return start, np.append(edges, len(codes)), codes[start].astype(np.int64)


def check_epochs(epochs: EpochBlock) -> None:
    """Raise InputError unless the arrays are equally long and there is one row per second."""
    if {len(getattr(epochs, name)) for name in EPOCH_COLUMNS} != {len(epochs)}:
        raise InputError("the epochs' columns differ in length: write the folder again with `posture replay`")
    if np.any(np.diff(epochs.start_s) != 1.0):
        raise InputError(
            "the epochs are not one row per second (gaps are rows too): write the folder again with `posture replay`"
        )


def read_epochs(path: Path) -> EpochBlock:
    """epochs.parquet as arrays. `context` is text in the file; `flexed` true, false or null becomes 1, 0, -1."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with reading(path) as opened, pq.ParquetFile(opened) as file:
            absent = [name for name in EPOCH_COLUMNS if name not in file.schema_arrow.names]
            if absent:
                raise InputError(
                    f"{path} lacks the column {absent[0]}: write the folder again with this version's `posture replay`"
                )
            table = file.read(columns=list(EPOCH_COLUMNS))
        floats = {name: table[name].cast(pa.float64()).to_numpy() for name in EPOCH_COLUMNS if name not in CODE_COLUMNS}
        words = table["context"].cast(pa.string()).combine_chunks().dictionary_encode()
        flexed = pc.fill_null(table["flexed"].cast(pa.int8()), -1)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} cannot be read as epochs ({_first_line(error)}): run `posture replay` again"
        ) from error
    known = {name: code for code, name in enumerate(CONTEXT_NAMES)}
    codes = [known.get(word, -1) for word in words.dictionary.to_pylist()]
    if words.null_count or -1 in codes:
        raise InputError(f"{path} holds a context that this version does not know: use the version that wrote it")
    context = np.array(codes, dtype=np.int8)[words.indices.to_numpy()]
    epochs = EpochBlock(**floats, context=context, flexed=flexed.to_numpy().astype(np.int8))
    check_epochs(epochs)
    return epochs


def load(folder: Path) -> ReportInput:
    """The four files of a replay folder; InputError in one sentence where one is missing, damaged or too new."""
    paths = {name: folder / name for name in ("session.json", "epochs.parquet", "events.json", "alerts.json")}
    for path in paths.values():
        if not path.is_file():
            raise InputError(f"{path} is missing: give a folder that `posture replay RECORDING --out DIR` has finished")
    session = _session(_read_json(paths["session.json"]), str(paths["session.json"]))
    return ReportInput(
        read_epochs(paths["epochs.parquet"]),
        _read_list(paths["events.json"], TypeAdapter(tuple[DayEvent, ...])),
        _read_list(paths["alerts.json"], TypeAdapter(tuple[DayAlert, ...])),
        session,
    )


def _session(content: object, where: str) -> Session:
    found = content.get("format") if isinstance(content, Mapping) else None
    if found != FORMAT:
        raise InputError(
            f"{where} has format {found!r}, this version reads {FORMAT}: write the folder again with `posture replay`"
        )
    return _checked(TypeAdapter(Session), content, where)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not whole JSON ({_first_line(error)}): run `posture replay` again") from error


def _read_list(path: Path, adapter: TypeAdapter[tuple[T, ...]]) -> tuple[T, ...]:
    return _checked(adapter, _read_json(path), str(path))


def _checked(adapter: TypeAdapter[T], content: object, where: str) -> T:
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{where}: {key}: {first['msg']}; write the folder again with `posture replay`") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
