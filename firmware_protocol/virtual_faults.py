"""What the virtual sensor can be asked to do wrong, and how that is written on a command line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong on request."""

    DISCONNECT = "disconnect"
    TIMEOUT = "timeout"
    OUT_OF_RANGE = "out-of-range"
    SILENT = "silent"
    REBOOT = "reboot"
    LOW_BATTERY = "low-battery"
    FROZEN = "frozen"
    CLIPPING = "clipping"
    CLOCK_PPM = "clock-ppm"
    DUPLICATE = "duplicate"
    CORRUPT = "corrupt"
    MTU_23 = "mtu-23"
    WRONG_SERIAL = "wrong-serial"
    NO_BUTTON = "no-button"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """timed : strikes once, when the sensor has streamed for some seconds.

    value : what it is without one given, in `unit`, from `least` to `most`; None: it takes none.
    """

    text: str
    timed: bool = False
    value: float | None = None
    unit: str = ""
    least: float = 0.0
    most: float = 0.0


FAULTS: dict[FaultKind, FaultRule] = {
    FaultKind.DISCONNECT: FaultRule("the sensor ends the link", timed=True),
    FaultKind.TIMEOUT: FaultRule("the link is lost: supervision timeout on both sides", timed=True),
    FaultKind.OUT_OF_RANGE: FaultRule("nobody hears the sensor", True, 20.0, "s", 0.1, 86_400.0),
    FaultKind.SILENT: FaultRule("connected, and nothing is notified until the link ends", timed=True),
    FaultKind.REBOOT: FaultRule("the watchdog restarts the sensor", timed=True),
    FaultKind.LOW_BATTERY: FaultRule("the battery is down to 9 %", timed=True),
    FaultKind.FROZEN: FaultRule("the IMU repeats its last sample", timed=True),
    FaultKind.CLIPPING: FaultRule("a knock: every channel at the end of its range", True, 0.2, "s", 0.01, 60.0),
    FaultKind.CLOCK_PPM: FaultRule("the sensor's clock is fast", False, 50.0, "ppm", -50_000.0, 50_000.0),
    FaultKind.DUPLICATE: FaultRule("each n-th frame comes twice", False, 3.0, "frames", 1.0, 1000.0),
    FaultKind.CORRUPT: FaultRule("each n-th frame has a wrong bit", False, 5.0, "frames", 1.0, 1000.0),
    FaultKind.MTU_23: FaultRule("the sensor grants no larger ATT MTU than 23"),
    FaultKind.WRONG_SERIAL: FaultRule("Device Information names the serial of another sensor"),
    FaultKind.NO_BUTTON: FaultRule("nobody presses the button: no pairing"),
}
FAULT_AT_S = 5.0
"""When a timed fault strikes if nothing is said, s of streaming."""


@dataclass(frozen=True, slots=True)
class Fault:
    """value : see `FAULTS`. at_s : of a timed one, s of streaming, on however many links."""

    kind: FaultKind
    value: float
    at_s: float


def parse_fault(text: str) -> Fault:
    """`NAME`, `NAME=VALUE`, `NAME@SECONDS` or both. ValueError with one sentence for anything else."""
    rest, _, at = text.partition("@")
    name, _, value = rest.partition("=")
    if name not in set(FaultKind):
        raise ValueError(f"{name!r} is no fault; choose from {', '.join(FaultKind)}")
    kind = FaultKind(name)
    rule = FAULTS[kind]
    if ("=" in rest and rule.value is None) or ("@" in text and not rule.timed):
        raise ValueError(
            f"{name} takes no {'value' if '=' in rest and rule.value is None else 'time'}; write {usage(kind)}"
        )
    try:
        fault = Fault(
            kind,
            float(value) if "=" in rest else rule.value or 0.0,
            float(at) if "@" in text else FAULT_AT_S,
        )
    except ValueError:
        raise ValueError(f"{text!r} has something that is no number; write {usage(kind)}") from None
    if rule.value is not None and not rule.least <= fault.value <= rule.most:
        raise ValueError(f"{text!r}: from {rule.least:g} to {rule.most:g} {rule.unit} are possible")
    if not 0.0 <= fault.at_s <= 86_400.0:
        raise ValueError(f"{text!r}: from 0 to 86400 s of streaming are possible")
    return fault


def usage(kind: FaultKind) -> str:
    """How a fault is written: `out-of-range=20@5`."""
    rule = FAULTS[kind]
    value = "" if rule.value is None else f"={rule.value:g}"
    return f"{kind.value}{value}{f'@{FAULT_AT_S:g}' if rule.timed else ''}"
