"""The words of the product: placements, contexts, verdicts, kinds, presets, errors. No heavy import, so `--help` is quick."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class PostureError(Exception):
    """An input or a request that cannot be used; the message is one sentence that says what to do next.

    Bad *samples* are data (invalid, NaN) and never raise.
    """


class InputError(PostureError):
    """A file, a column or a value that the user gave is wrong."""


class Placement(StrEnum):
    """Where a sensor sits: over the sacrum (belt line, L5-S1) or over the upper lumbar spine (T12-L1)."""

    SACRUM = "sacrum"
    UPPER_LUMBAR = "upper_lumbar"

    @property
    def words(self) -> str:
        """How a sentence names it; files, columns and options have the value."""
        return self.value.replace("_", " ")


class Basis(StrEnum):
    """How many sensors a verdict rests on."""

    ONE = "one"
    TWO = "two"


class Verdict(StrEnum):
    """How the lumbar spine was held; `unknown` is a value of its own and never stands for good."""

    ROUNDED = "rounded"
    NEUTRAL = "neutral"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Context(IntEnum):
    """What the wearer was doing in an epoch; the int is the code in arrays, `name.lower()` the word in files."""

    STANDING = 0
    WALKING = 1
    SITTING = 2
    LYING = 3
    FLOOR = 4
    TRANSITION = 5
    NON_WEAR = 6
    GAP = 7
    UNKNOWN = 8


CONTEXT_NAMES: tuple[str, ...] = tuple(c.name.lower() for c in Context)


class EventKind(StrEnum):
    """Kinds of event this version can emit."""

    BEND = "bend"
    SIT_TO_STAND = "sit_to_stand"
    STAND_TO_SIT = "stand_to_sit"
    PLUNGE = "plunge"
    LIE_TO_SIT = "lie_to_sit"
    SIT_TO_LIE = "sit_to_lie"
    FLOOR_TRANSITION = "floor_transition"
    ROLL = "roll"
    SUPINE_CURL = "supine_curl"
    FLEXED_SITTING = "flexed_sitting"
    EXERCISE_SET = "exercise_set"
    PRACTICE_HOLD = "practice_hold"
    SENSOR_MOVED = "sensor_moved"
    NON_WEAR = "non_wear"
    GAP = "gap"


class PacketKind(StrEnum):
    """What a raw packet of a sensor's session is; a sample comes in the first two."""

    LIVE = "live"
    BACKFILL = "backfill"
    DONE = "done"
    INFO = "info"
    STATUS = "status"
    SYNC = "sync"
    LINK = "link"


class AlertKind(StrEnum):
    """What an alert is about."""

    FLEXED_SITTING = "flexed_sitting"
    BEND = "bend"
    FLOOR_TRANSITION = "floor_transition"
    RECALIBRATE = "recalibrate"


class Preset(StrEnum):
    """How much the monitor says: all three detections gently, sitting only, or every verdict."""

    BALANCED = "balanced"
    QUIET = "quiet"
    COACH = "coach"


def confidence_text(confidence: float) -> str:
    """A confidence (0-1) as every text writes it; none is shown as certain, so what would round to 1.00 is `over 0.99`."""
    return "over 0.99" if confidence >= 0.995 else f"{confidence:.2f}"
