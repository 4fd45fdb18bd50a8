"""The streaming contract, as a check that every stage and the whole pipeline must pass.

Any split of the same input gives the same output, bit for bit; a state pickled at any split resumes the same; inputs are never
written to. A stage is described by a `Case`: how to make it, cut its input, push a piece and put outputs together.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Case:
    """A stage under test.

    make : state or None -> stage with a `state` attribute. size : length of the input in its own unit.
    piece : (a, b) -> the input from a to b, a == b gives an empty piece. push : (stage, piece) -> output.
    flush : stage -> output. whole : outputs in order -> what must be equal.
    """

    make: Callable[[Any], Any]
    size: int
    piece: Callable[[int, int], Any]
    push: Callable[[Any, Any], Any]
    flush: Callable[[Any], Any]
    whole: Callable[[list[Any]], Any]


def cuts_of(size: int, most: int = 12) -> st.SearchStrategy[list[int]]:
    """Where to cut: anywhere, with pieces of size 0 and 1 made likely."""
    spot = st.integers(0, size)
    near = spot.flatmap(lambda k: st.lists(st.integers(max(0, k - 1), min(size, k + 1)), min_size=1, max_size=4))
    groups = st.lists(st.one_of(spot.map(lambda k: [k]), near), max_size=most)
    return groups.map(lambda found: sorted(k for group in found for k in group))


def check_stage(case: Case, cuts: Sequence[int], *, pickle_at: int | None = None) -> None:
    """Run `case` whole and cut, and compare; the state goes through pickle after piece number `pickle_at` (None: never)."""
    expected = run(case, [])
    for item in (expected, got := run(case, cuts, pickle_at=pickle_at)):
        assert item is not None
    difference = first_difference(expected, got)
    assert difference is None, f"cut at {list(cuts)}, pickled after piece {pickle_at}: {difference}"


def run(case: Case, cuts: Sequence[int], *, pickle_at: int | None = None) -> Any:
    """All pieces through a fresh stage; every array of the input is read-only and compared with a copy afterwards."""
    stage = case.make(None)
    edges = [0, *cuts, case.size]
    outputs = []
    for k, (a, b) in enumerate(itertools.pairwise(edges)):
        piece = case.piece(a, b)
        arrays = list(arrays_in(piece))
        before = [x.tobytes() for x in arrays]
        for array in arrays:
            array.flags.writeable = False
        outputs.append(case.push(stage, piece))
        assert [x.tobytes() for x in arrays] == before, "the stage wrote into its input"
        if pickle_at == k:
            stage = case.make(pickle.loads(pickle.dumps(stage.state)))
    outputs.append(case.flush(stage))
    return case.whole(outputs)


def arrays_in(item: Any) -> Any:
    """Every numpy array in nested dataclasses, tuples, lists and dicts."""
    if isinstance(item, np.ndarray):
        yield item
    elif is_dataclass(item) and not isinstance(item, type):
        for f in fields(item):
            yield from arrays_in(getattr(item, f.name))
    elif isinstance(item, dict):
        for value in item.values():
            yield from arrays_in(value)
    elif isinstance(item, (list, tuple)):
        for value in item:
            yield from arrays_in(value)


def first_difference(a: Any, b: Any, where: str = "") -> str | None:
    """None if equal bit for bit (NaN equals NaN, and -0.0 differs from 0.0), else the first place that is not."""
    if isinstance(a, np.ndarray):
        if not isinstance(b, np.ndarray) or a.dtype != b.dtype or a.shape != b.shape:
            return f"{where}: {getattr(a, 'shape', a)} {getattr(a, 'dtype', '')} against {getattr(b, 'shape', b)}"
        same = a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        if same:
            return None
        at = tuple(int(i) for i in np.argwhere((a != b) & ~((a != a) & (b != b)))[0])
        return f"{where}{list(at)}: {a[at]!r} against {b[at]!r}"
    if is_dataclass(a) and not isinstance(a, type):
        if type(a) is not type(b):
            return f"{where}: {type(a).__name__} against {type(b).__name__}"
        return first_difference(
            {f.name: getattr(a, f.name) for f in fields(a)}, {f.name: getattr(b, f.name) for f in fields(b)}, where
        )
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return f"{where}: keys {sorted(map(str, a))} against {sorted(map(str, b))}"
        return next((d for k in a if (d := first_difference(a[k], b[k], f"{where}.{k}"))), None)
    if isinstance(a, (list, tuple)) and not isinstance(a, Enum):
        if len(a) != len(b):
            return f"{where}: {len(a)} items against {len(b)}; last {a[-1:]} against {b[-1:]}"
        return next(
            (d for k, (x, y) in enumerate(zip(a, b, strict=True)) if (d := first_difference(x, y, f"{where}[{k}]"))),
            None,
        )
    equal = a == b or (isinstance(a, float) and isinstance(b, float) and a != a and b != b)
    return None if equal else f"{where}: {a!r} against {b!r}"
