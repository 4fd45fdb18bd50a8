"""The report of a day that the monitor kept."""

from __future__ import annotations

from pathlib import Path

from analysis.programme.days import HISTORY_DAYS, advised
from analysis.programme.pack import load_pack
from analysis.report import Background, write_day
from analysis.sheet import log_of
from analysis.stored import days_of, entries_of, last_day, summaries_of
from analysis.trends import BASE_DAYS, trend_of
from posture.app.options import day_of
from posture.app.places import person_dir, store_path
from posture.store import Store
from posture.types import InputError

_NONE_YET = "the monitor has kept no day yet: start posture run, or give a folder of posture replay with --from"


def write_kept(
    day: str | None, fmt: str, out: Path | None, *, pack: Path | None, person: str | None, for_physio: bool = False
) -> list[Path]:
    """Write it and give back the files. day : ISO date, `yesterday` or `today`; None: the last that was kept."""
    loaded, path = load_pack(pack), store_path(person)
    if not path.exists():
        raise InputError(_NONE_YET)
    with Store(path) as store:
        on = last_day(store) if day is None else day_of(day, "DATE")
        if on is None:
            raise InputError(_NONE_YET)
        kept = days_of(store, on, on).get(on)
        if kept is None:
            raise InputError(f"nothing was recorded on {on}; the last day that was is {last_day(store) or 'none'}")
        days = summaries_of(store, on, 2 * BASE_DAYS)
        entries = entries_of(store)
    background = Background(log_of(loaded, entries, on), trend_of(days, on) if len(days) > 1 else None)
    advice = advised(loaded, {d: s for d, s in days.items() if (on - d).days <= HISTORY_DAYS}, entries, on).record(
        loaded
    )
    path = out or person_dir(person) / "reports" / f"{on}{'-physio' if for_physio else ''}.{fmt}"
    return write_day(kept, fmt, path, advice=advice, background=background, for_physio=for_physio)
