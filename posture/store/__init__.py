"""The store: sessions and what was said of them, calibrations, sensors, profile; one SQLite file a person (docs/store.md).

The core never reads it: `posture.app` loads what a run needs and puts down what it gives; `analysis` reads the days.
"""

from posture.store.diary import DeclaredWorkout, Diary, LoggedEntry
from posture.store.differences import Difference
from posture.store.mailbox import Request
from posture.store.rows import StoredSession
from posture.store.store import KnownSensor, PolicyMemory, Store

__all__ = [
    "DeclaredWorkout",
    "Diary",
    "Difference",
    "KnownSensor",
    "LoggedEntry",
    "PolicyMemory",
    "Request",
    "Store",
    "StoredSession",
]
