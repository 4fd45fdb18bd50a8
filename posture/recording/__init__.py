"""Recordings on disk: sample files in (Parquet, CSV), sample files out, and the poses that go with them.

pyarrow is imported inside the functions that need it, so that importing this package stays cheap for `posture --help`.
"""

from __future__ import annotations

from posture.recording.clock import parse_clock
from posture.recording.columns import column_names
from posture.recording.poses import POSE_NAMES, read_poses
from posture.recording.reader import BATCH_ROWS, Recording, RecordingInfo, RecordingSegment, open_recording
from posture.recording.writer import write_sample_file

__all__ = [
    "BATCH_ROWS",
    "POSE_NAMES",
    "Recording",
    "RecordingInfo",
    "RecordingSegment",
    "column_names",
    "open_recording",
    "parse_clock",
    "read_poses",
    "write_sample_file",
]
