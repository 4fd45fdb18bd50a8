"""A run from its request to the results in their folder: the common part of `replay` and `demo`."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from posture.app.exits import uninterrupted
from posture.app.live import console
from posture.outputs import AngleWriter, Staging
from posture.recording.session import is_session
from posture.replay import (
    Prepared,
    Records,
    ReplayRequest,
    Result,
    prepare,
    records,
    run,
    write_records,
)
from posture.types import InputError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt(3)."""


def replayed(
    request: ReplayRequest,
    out: Path,
    *,
    speed: float | None,
    title: str,
    want_angles: bool = False,
    begin: Callable[[Prepared], None] | None = None,
    report: bool = False,
) -> Records:
    """Check, calibrate, run and write; all results or none.

    speed : times real time with the live view; None: as fast as it goes. begin : told before the first sample. report : the
    report is one of the results.
    """
    with _steady_memory():
        return _replayed(request, out, speed=speed, title=title, want_angles=want_angles, begin=begin, report=report)


def _replayed(
    request: ReplayRequest,
    out: Path,
    *,
    speed: float | None,
    title: str,
    want_angles: bool,
    begin: Callable[[Prepared], None] | None,
    report: bool,
) -> Records:
    if is_session(out):
        raise InputError(f"{out} is a session, and nothing is ever written into one; choose another --out folder")
    prepared = prepare(request)
    screen = console()
    with Staging(out) as staging:
        if begin is not None:
            begin(prepared)
        angles = AngleWriter(staging.path / "angles.parquet", prepared.recording.info.selected) if want_angles else None
        try:
            if speed is None:
                result = _run_with_bar(prepared, angles, screen)
            else:
                from posture.app.play import play  # asyncio, which a plain replay does without

                result = play(prepared, speed=speed, console=screen, title=f"{title}, x{speed:g}", angles=angles)
        finally:
            if angles is not None:
                angles.close()
        made = records(prepared, result)
        write_records(staging.path, made, {"summary.json": _summary(made)})
        if report:
            from analysis.report import write

            write(staging.path, "html")
        with uninterrupted():
            staging.commit()
    return made


def _run_with_bar(prepared: Prepared, angles: AngleWriter | None, screen: Console) -> Result:
    error = type(screen)(stderr=True)
    with Progress(console=error, transient=True, disable=not error.is_terminal) as bar:
        task = bar.add_task("replay", total=1.0)
        return run(
            prepared,
            prepared.recording.batches(),
            angles=angles,
            progress=lambda share: bar.update(task, completed=share),
        )


@contextmanager
def _steady_memory() -> Iterator[None]:
    """Let the process keep what it frees while it replays: the same few arrays come and go thousands of times.

    The search for reference cycles (there are none) and the C library's habit of giving every freed megabyte back to the
    system cost a fifth of a day's replay. Other C libraries do it their own way and are left alone.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, 64 << 20)
            mallopt(_M_TRIM_THRESHOLD, 256 << 20)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _summary(made: Records) -> str:
    from analysis.days import chosen, split, summarised
    from analysis.inputs import ReportInput

    whole = ReportInput.from_records(made.epochs, events=made.events, alerts=made.alerts, session=made.session)
    parts = split(whole)
    return summarised(parts, chosen(parts)).to_json()
