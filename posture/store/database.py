"""The file of the store: opened, brought up to date, and written in short whole transactions.

SQLite with a write-ahead log: one process writes at a time and waits for the other, readers never wait. What is committed
outlives the process and a power cut; what is not is as if it never was.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from posture.types import InputError, PostureError

APPLICATION_ID = 0x706F7374
"""Marks the file as ours ("post")."""
BUSY_S = 10.0
"""How long one process waits while another writes; a write takes milliseconds."""
MIGRATIONS = tuple(sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql")))
"""Numbered from 1 without holes; a released one is never changed. The database's version is the number of the last."""


def connect(path: Path, *, migrations: tuple[Path, ...] = MIGRATIONS) -> sqlite3.Connection:
    """The database at `path`, made if it is not there (only its owner may read it), at the newest version.

    Raises
    ------
    InputError
        It is of a newer program, is not a store, or cannot be opened. Nothing of it was changed.
    """
    if sqlite3.sqlite_version_info < (3, 37):
        raise PostureError(
            f"SQLite {sqlite3.sqlite_version} is too old for the store: use a Python with SQLite 3.37 or newer"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise InputError(
            f"the store {path} cannot be opened ({error.strerror}): choose another POSTURE_HOME"
        ) from error
    database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        _migrate(database, path, migrations)
        _write_ahead(database)
        database.execute("PRAGMA synchronous = FULL")  # of the log too: what was logged by hand outlives a power cut
        database.execute("PRAGMA foreign_keys = ON")
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise InputError(
                f"the store {path} cannot be read ({error}): restore a copy of it, or move it away"
            ) from error
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside, or nothing. PostureError where the disk is full or another process never lets go.

    Inside another one it is part of that.
    """
    with nullcontext() if database.in_transaction else _outermost(database):
        yield


@contextmanager
def _outermost(database: sqlite3.Connection) -> Iterator[None]:
    try:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # a full disk has ended it already
                database.execute("ROLLBACK")
            raise
    except sqlite3.OperationalError as error:
        raise PostureError(f"the store cannot be written ({error}): nothing of this was kept; try again") from error


def _migrate(database: sqlite3.Connection, path: Path, migrations: tuple[Path, ...]) -> None:
    """One transaction for all that is missing; a process that comes second finds it done."""
    if _version(database, path, len(migrations)) == len(migrations):
        return
    with transaction(database):
        for number in range(_version(database, path, len(migrations)), len(migrations)):
            for statement in _statements(migrations[number].read_text(encoding="utf-8")):
                database.execute(statement)
        broken = database.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise PostureError(
                f"the store {path} could not be brought up to date (table {broken[0][0]}); it is as it was"
            )
        database.execute(f"PRAGMA user_version = {len(migrations)}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _version(database: sqlite3.Connection, path: Path, newest: int) -> int:
    """Of the file, 0 for an empty one; InputError where it is too new or somebody else's."""
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    owner = int(database.execute("PRAGMA application_id").fetchone()[0])
    tables = int(database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if tables and owner != APPLICATION_ID:
        raise InputError(f"{path} is a database of another program: move it away, or choose another POSTURE_HOME")
    if found > newest:
        raise InputError(
            f"the store {path} is of a newer posture-monitor (version {found} of it, this program knows {newest}): "
            "install that program again"
        )
    return found


def _statements(script: str) -> Iterator[str]:
    """Single statements, because `executescript` would commit between them."""
    open_ = ""
    for line in script.splitlines(keepends=True):
        open_ += line
        if sqlite3.complete_statement(open_):
            yield open_
            open_ = ""


def _write_ahead(database: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite does not wait for others while it switches, so this does."""
    until_s = time.monotonic() + BUSY_S
    while True:
        try:
            mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)  # the other program's switch takes milliseconds, and nothing tells when it is over
            continue
        if mode != "wal":
            raise PostureError("the store needs a disk that several programs can share: choose another POSTURE_HOME")
        return
