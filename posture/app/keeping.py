"""What a session puts into the store, by a thread of its own: a slow disk must not hold up what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from posture.alerts import AlertState
from posture.outputs import alert_record, event_record
from posture.pipeline import Output
from posture.store import Request, Store
from posture.store.diary import DeclaredWorkout
from posture.types import Alert, EpochBlock, JsonValue, PostureError, PostureEvent

SAVE_S = 60.0
"""Between two writes of epochs and events, s of this computer. What a kill loses of them is in the record."""
Made = TypeVar("Made")


class Keeper:
    """The store, opened in its own thread; `do` runs there."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._path = path
        self._store: Store | None = None

    async def __aenter__(self) -> Self:
        self._store = await self._run(lambda: Store(self._path))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store, self._store = self._store, None
        if store is not None:
            await self._run(store.close)
        self._thread.shutdown(wait=True)

    async def do(self, work: Callable[[Store], Made]) -> Made:
        """Something with the store, in its turn. It is done even if the caller is cancelled meanwhile."""
        store = self._store
        if store is None:
            raise PostureError("the store is closed")
        return await self._run(lambda: work(store))

    async def _run(self, work: Callable[[], Made]) -> Made:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))


class Saved:
    """What live says of one session, on its way into the store: alerts at once, the rest once in `SAVE_S`."""

    def __init__(self, keeper: Keeper, session_id: int, say: Callable[[str], None]) -> None:
        self._keeper, self.session_id, self._say = keeper, session_id, say
        self._epochs: list[EpochBlock] = []
        self._events: list[PostureEvent] = []
        self._refused = False
        self._saving = asyncio.Lock()

    def add(self, output: Output) -> None:
        """Take over what a push gave."""
        self._epochs += output.epochs
        self._events += output.events

    async def alert(self, alert: Alert) -> None:
        """Keep an alert."""
        await self._kept(lambda store: store.put_alerts(self.session_id, [alert_record(alert)]))

    async def said(self, since_utc: datetime) -> tuple[tuple[DeclaredWorkout, ...], tuple[Request, ...]]:
        """What the wearer says to the running monitor: workouts and requests; none where the store does not answer."""
        found: list[tuple[tuple[DeclaredWorkout, ...], tuple[Request, ...]]] = []
        await self._kept(lambda store: found.append((store.diary.workouts(since_utc), store.mailbox.waiting())))
        return found[0] if found else ((), ())

    async def reply(
        self,
        request: Request,
        reply: Mapping[str, JsonValue],
        keep: Callable[[Store, int], None] | None = None,
    ) -> None:
        """What came of a request, and first what the store keeps of it: who reads the reply can rely on it."""

        def put(store: Store) -> None:
            with store.together():
                if keep is not None:
                    keep(store, self.session_id)
                store.mailbox.reply(request.id, reply)

        await self._kept(put)

    async def save(self, policy: AlertState) -> None:
        """Everything so far. What the store does not take waits for the next time."""
        async with self._saving:
            epochs, events = EpochBlock.joined(self._epochs), list(self._events)
            parts_n, memory = len(self._epochs), policy.copy()

            def put(store: Store) -> None:
                with store.together():
                    store.put_epochs(self.session_id, epochs)
                    store.put_events(self.session_id, [event_record(e) for e in events])
                    store.put_policy_state(memory, session_id=self.session_id, saved_utc=datetime.now(UTC))

            if await self._kept(put):
                del self._epochs[:parts_n], self._events[: len(events)]

    async def _kept(self, work: Callable[[Store], object]) -> bool:
        try:
            await self._keeper.do(work)
        except PostureError as error:
            if not self._refused:
                self._say(f"{error}; the recording goes on")
            self._refused = True
            return False
        self._refused = False
        return True
