"""Where the sampling rate of a time column changes, in one pass and bounded memory.

The column is looked at in windows of 10 s. A window votes for another rate if its own step differs by more than 5 % from that
of the stretch so far, and does not just lack rows of it: after losses the old step still occurs between the rows that are left.
Three windows in a row that vote for the same rate end the stretch; the change is put where it explains the single steps best.
So a stretch counts if it fills most of three windows: surely from 40 s on, never up to 20 s. A shorter one stays part of its
neighbour.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posture.types import Float

WINDOW_S = 10.0
"""s; ours: 40 rows at the lowest rate, and nobody changes the rate of a sensor more often than that."""
WINDOWS_MIN = 3
"""Windows that must agree on another rate; ours."""
CHANGE_MIN = 0.05
"""Relative; far above any crystal, far below the ratio of two rates that a sensor offers (52 to 50 Hz is 0.04). Ours."""
_ROWS_MIN = 20
"""Rows in a window that can say anything of a rate: half of those at the lowest."""
_ALIVE_SHARE, _ALIVE_NEAR = 0.2, 0.1
"""Share of a window's steps that lie this near the stretch's own step where rows are only lost (70 % of them, at random)."""
_LOSS_EXPLAINS = 0.75
"""Share of a longer step that the rows which are missing on the old grid must explain, if they are to be lost rows only."""
_VOTES_NEAR = 2.0 * CHANGE_MIN
"""Relative; how far two votes for one rate may be apart: forty jittered rows do not know theirs better."""
_PENDING_MAX = 2 * WINDOWS_MIN
"""Windows kept back while their votes disagree."""
_CHUNK_ROWS = 65_536


class Stretch:
    """Rows of one rate: when the first came, how many, and the step of each chunk of them."""

    def __init__(self, step_of: Callable[[Float], float]) -> None:
        self.first_s = self.last_s = float("nan")
        self.rows = 0
        self._step_of = step_of
        self._open: list[Float] = []
        self._open_n = 0
        self._steps: list[tuple[float, int]] = []

    def add(self, times: Float) -> None:
        """(n,) s, the next rows."""
        if not len(times):
            return
        if not self.rows:
            self.first_s = float(times[0])
        self.last_s = float(times[-1])
        self.rows += len(times)
        self._open.append(times)
        self._open_n += len(times)
        if self._open_n >= _CHUNK_ROWS:
            self._close()

    def join(self, after: Stretch) -> None:
        """Take over the stretch that follows, to be asked once that one is complete."""
        after._close()
        self._close()
        self._steps += after._steps
        self.rows, self.last_s = self.rows + after.rows, after.last_s

    def forget(self) -> None:
        """The rows so far say nothing of the rate."""
        self._open, self._open_n, self._steps = [], 0, []

    def step_s(self) -> float:
        """The median over chunks, weighted by their rows; NaN where no two rows differ."""
        self._close()
        if not self._steps:
            return float("nan")
        steps = sorted(self._steps)
        half = sum(n for _, n in steps) / 2
        return steps[int(np.searchsorted(np.cumsum([n for _, n in steps]), half))][0]

    def _close(self) -> None:
        if not self._open:
            return
        chunk = np.concatenate(self._open)
        self._open, self._open_n = [], 0
        if len(chunk) >= 2 and np.isfinite(step := self._step_of(chunk)):
            self._steps.append((step, len(chunk)))


class RateScan:
    """Push finite times that do not fall, then `finish` gives the stretches. step_of : the step of some rows, s.

    step_min_s, step_max_s : steps beyond these are no rate.
    """

    def __init__(self, step_of: Callable[[Float], float], *, step_min_s: float, step_max_s: float) -> None:
        self._step_of, self._step_min_s, self._step_max_s = step_of, step_min_s, step_max_s
        self._stretches = [Stretch(step_of)]
        self._step: float | None = None
        self._agreed_n = 0
        self._origin_s = float("nan")
        self._tail = np.empty(0)
        self._held = np.empty(0)
        self._pending: list[Float] = []
        self._candidate: float | None = None
        self._candidate_n = 0

    def push(self, times: Float) -> None:
        """(n,) s."""
        if not len(times):
            return
        if not self._stretches[0].rows and not len(self._tail) and not len(self._held) and not self._pending:
            self._origin_s = float(times[0])
        rows = np.concatenate([self._tail, times]) if len(self._tail) else times
        last_window = np.floor((rows[-1] - self._origin_s) / WINDOW_S)
        whole = int(np.searchsorted(rows, self._origin_s + last_window * WINDOW_S))
        self._tail = rows[whole:].copy()
        if whole:
            self._windows(rows[:whole])

    def finish(self) -> list[Stretch]:
        """All stretches in order, the last rows with the last one. After a doubtful while, neighbours of one rate are one,
        and what was cut too short stays with the one before.
        """
        for rows in (self._held, *self._pending, self._tail):
            self._settle(rows)
        self._held, self._pending, self._tail = np.empty(0), [], np.empty(0)
        found = self._stretches[:1]
        for stretch in self._stretches[1:]:
            long = stretch.last_s - stretch.first_s > (WINDOWS_MIN - 1) * WINDOW_S
            if long and abs(stretch.step_s() / found[-1].step_s() - 1.0) > CHANGE_MIN:
                found.append(stretch)
                continue
            if not long:
                stretch.forget()
            found[-1].join(stretch)
        return found

    def _windows(self, rows: Float) -> None:
        """Whole windows: at once where all go on as before, which is nearly always, else one by one."""
        first, last = (int((t - self._origin_s) / WINDOW_S) for t in (rows[0], rows[-1]))
        starts = np.searchsorted(rows, self._origin_s + np.arange(first + 1, last + 1) * WINDOW_S)
        starts = np.unique(np.concatenate([[0], starts[starts < len(rows)]]))
        if self._step is not None and not self._pending and self._go_on(rows, starts):
            self._settle(self._held)
            self._settle(rows[: starts[-1]])
            self._held = rows[starts[-1] :].copy()
            self._agreed_n += len(starts)
            return
        for window in np.split(rows, starts[1:]):
            self._window(window.copy())

    def _go_on(self, rows: Float, starts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bool:
        """Whether in every window most steps are near the stretch's own, and their mean is that step."""
        step = self._step or 0.0
        steps = np.diff(rows, prepend=rows[0] - step)
        rows_n = np.diff(starts, append=len(rows))
        slack = 0.5 * CHANGE_MIN * step
        if steps.max() <= step + slack and steps.min() >= step - slack and rows_n.min() >= _ROWS_MIN:
            return True
        near = np.abs(steps - step) < 0.5 * step
        near_n = np.add.reduceat(near, starts, dtype=np.int64)
        total = np.add.reduceat(np.where(near, steps, 0.0), starts)
        most = near_n >= np.maximum(0.5 * rows_n, _ROWS_MIN)
        return bool(most.all() and (np.abs(total - near_n * step) <= slack * near_n).all())

    def _window(self, rows: Float) -> None:
        vote = self._vote(rows)
        if self._step is None:
            if vote is None:
                self._pending.append(rows)
                self._overflow()
                return
            self._step, self._agreed_n = vote, 1
            for before in self._pending:
                self._settle(before)
            self._pending, self._held = [], rows
            return
        if vote is None and not self._pending:  # as before, or nothing to tell from
            self._settle(self._held)
            self._held = rows
            self._agreed_n += len(rows) >= _ROWS_MIN
            return
        self._pending.append(rows)
        if vote is None:
            if len(rows) >= _ROWS_MIN:  # the old rate is back: it was no change
                for before in (self._held, *self._pending[:-1]):
                    self._settle(before)
                self._held, self._pending, self._candidate, self._candidate_n = rows, [], None, 0
            else:
                self._overflow()
            return
        if self._candidate is not None and abs(vote / self._candidate - 1.0) <= _VOTES_NEAR:
            self._candidate_n += 1
        else:
            self._candidate, self._candidate_n = vote, 1
        if self._candidate_n >= WINDOWS_MIN:
            self._change(vote)
        else:
            self._overflow()

    def _vote(self, rows: Float) -> float | None:
        """The window's own step where it is another than the stretch's; None where it is not, or cannot be told."""
        if len(rows) < _ROWS_MIN:
            return None
        own = self._step_of(rows)
        if not self._step_min_s <= own <= self._step_max_s * (1.0 + CHANGE_MIN):  # a window's step is not exact
            return None
        if self._step is None:
            return own
        if abs(own / self._step - 1.0) <= CHANGE_MIN:
            return None
        return None if own > self._step and self._rows_are_lost(rows, own) else own

    def _rows_are_lost(self, rows: Float, own: float) -> bool:
        """Whether the old step still occurs, and the rows that are missing of it make up for the longer one."""
        step = self._step or own
        held = np.diff(rows) / step
        near = np.abs(held - 1.0) <= _ALIVE_NEAR
        missing = np.maximum(np.rint(held) - 1.0, 0.0)
        return bool(near.mean() >= _ALIVE_SHARE and missing.mean() >= _LOSS_EXPLAINS * (own / step - 1.0))

    def _change(self, step: float) -> None:
        """The rows that were kept back, split where the old step gives way to the new one."""
        rows = np.concatenate([self._held, *self._pending])
        at = _split(rows, self._step or step, step)
        self._settle(rows[:at])
        if self._agreed_n >= WINDOWS_MIN:
            self._stretches.append(Stretch(self._step_of))
        else:  # the rows so far were too few to be a stretch: they stay in this one and do not count for its rate
            self._stretches[-1].forget()
        self._held, self._step, self._agreed_n = rows[at:], self._step_of(rows[at:]), WINDOWS_MIN
        self._pending, self._candidate, self._candidate_n = [], None, 0

    def _overflow(self) -> None:
        """Bounds what is kept back where the votes go on to disagree."""
        if len(self._pending) > _PENDING_MAX:
            self._settle(self._held)
            self._held = self._pending.pop(0)

    def _settle(self, rows: Float) -> None:
        self._stretches[-1].add(rows)


def _split(rows: Float, old_step: float, new_step: float) -> int:
    """First row of the new rate: the single steps before it fit the old one best and those after it the new one."""
    steps = np.diff(rows)
    old = np.concatenate([[0.0], np.cumsum(np.minimum(np.abs(steps / old_step - 1.0), 1.0))])
    new = np.concatenate([[0.0], np.cumsum(np.minimum(np.abs(steps / new_step - 1.0), 1.0))])
    # The step into row j is nobody's: sum of the old misfit up to row j - 1, and of the new one from row j on. The first of
    # equals, and equal to far below what a single step adds.
    misfit = old[:-1] + new[-1] - new[1:]
    return int(np.argmax(misfit <= misfit.min() + 1e-6)) + 1
