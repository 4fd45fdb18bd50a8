"""The report of a day that the monitor kept."""

from __future__ import annotations

from pathlib import Path

from analysis.programme.pack import load_pack
from analysis.report import write_day
from analysis.stored import advice_of, days_of, last_day
from posture.app.options import day_of
from posture.app.places import person_dir, store_path
from posture.store import Store
from posture.types import InputError

_NONE_YET = "the monitor has kept no day yet: start posture run, or give a folder of posture replay with --from"


def write_kept(day: str | None, fmt: str, out: Path | None, *, pack: Path | None, person: str | None) -> list[Path]:
    """Write it and give back the files. day : ISO date; None: the last that was kept."""
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
        advice = advice_of(store, loaded, on)
    return write_day(kept, fmt, out or person_dir(person) / "reports" / f"{on}.{fmt}", advice=advice)
