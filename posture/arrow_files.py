"""The one place that opens files for pyarrow, which takes a path as text in UTF-8 and fails on every other name.

A name is handed on as the bytes that the file system has for it, so that each name that Python can open works.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def reading(path: Path) -> Any:
    """A `pyarrow.NativeFile` to read from; close it. OSError as `open`."""
    import pyarrow as pa

    return pa.OSFile(os.fsencode(path), "rb")


def writing(path: Path) -> Any:
    """A `pyarrow.NativeFile` to write to, emptied; close it. OSError as `open`."""
    import pyarrow as pa

    return pa.OSFile(os.fsencode(path), "wb")


def mapped(path: Path) -> Any:
    """A `pyarrow.MemoryMappedFile` to read from; close it. OSError as `open`."""
    import pyarrow as pa

    return pa.memory_map(os.fsencode(path))
