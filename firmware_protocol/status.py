"""Status and Info: what the sensor is doing, and what it is. Pure functions, total decoders; PROTOCOL.md section 5."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import ClassVar

from firmware_protocol.frames import SAMPLES_MAX, TICK_HZ, VERSION
from firmware_protocol.records import Record
from firmware_protocol.rejection import Rejection

MINOR = 0
"""Minor version: messages may be added, none changes."""
CONFIGS_MAX = 8


class State(IntFlag):
    """Lower half of byte 3 of Status."""

    STREAMING = 1 << 0
    BACKFILLING = 1 << 1
    BONDING = 1 << 2
    """The button was pressed in the last 60 s: pairing and FORGET_BONDS are open."""
    CALIBRATING = 1 << 3
    """GYRO_CAL is collecting."""


class ResetReason(IntEnum):
    """Upper half of byte 3 of Status."""

    UNKNOWN = 0
    POWER_ON = 1
    REQUESTED = 2
    WATCHDOG = 3
    FAULT = 4
    BROWN_OUT = 5
    PIN = 6


class Feature(IntFlag):
    """What this sensor has; an op whose feature is missing is answered UNKNOWN_OP."""

    FLASH_RING = 1 << 0
    """The ring survives a reboot."""
    HAPTIC = 1 << 1
    LED = 1 << 2
    BUTTON = 1 << 3
    LOCAL_ALERT = 1 << 4
    BATTERY_GAUGE = 1 << 5


_RESET_REASONS = frozenset(int(reason) for reason in ResetReason)
TEMPERATURE_UNKNOWN = -128
CHARGE_UNKNOWN = 0xFF
CHARGING = 0x80
"""Bit of `charge`, beside the percentage."""


@dataclass(frozen=True, slots=True)
class StatusReport(Record):
    """What the sensor is doing, 20 bytes so that it fits a notification at an ATT MTU of 23.

        0..1 boot   2 config   3 reset << 4 | state   4..7 end   8..11 oldest   12..15 dropped   16..17 mV   18 deg C   19 charge

    config : the full-rate configuration that is recorded. [oldest_index, end_index) : samples of this boot in the ring, holes
    included. dropped : samples at the full rate, of any boot, that the sensor has lost since it booted. battery_mv : 0 unknown.
    temperature_degc : -128 unknown. charge : percent, plus 0x80 while charging; 0xFF unknown.
    """

    boot: int
    config: int
    mode: int
    end_index: int
    oldest_index: int
    dropped: int
    battery_mv: int
    temperature_degc: int
    charge: int
    WIRE: ClassVar = struct.Struct("<HBBIIIHbB")

    @property
    def state(self) -> State:
        """Lower half of `mode`."""
        return State(self.mode & 0x0F)

    @property
    def reset_reason(self) -> ResetReason:
        """Upper half of `mode`; a number that this version does not know is UNKNOWN."""
        return ResetReason(self.mode >> 4) if self.mode >> 4 in _RESET_REASONS else ResetReason.UNKNOWN


@dataclass(frozen=True, slots=True)
class Config(Record):
    """How samples are made, 18 bytes.

    rate_mhz : mHz, of what this configuration sends (13 Hz for averages of four at 52 Hz). decimation : samples at the full
    rate per row. acc_lsb_per_g, gyr_lsb_per_dps : counts per g and per deg/s. acc_range_g, gyr_range_dps : half of the full scale.
    """

    id: int
    rate_mhz: int
    decimation: int
    acc_lsb_per_g: float
    gyr_lsb_per_dps: float
    acc_range_g: int
    gyr_range_dps: int
    WIRE: ClassVar = struct.Struct("<BIBffHH")
    LIMITS: ClassVar = {"id": (0, 254), "rate_mhz": (1000, 1_000_000), "decimation": (1, 16)}

    def within_limits(self) -> bool:
        """Also scales that a host can divide by."""
        scales = (self.acc_lsb_per_g, self.gyr_lsb_per_dps)
        return Record.within_limits(self) and all(1e-3 <= scale <= 1e6 for scale in scales)


@dataclass(frozen=True, slots=True)
class Info:
    """What the sensor is: 26 bytes and 18 for each configuration.

        0 major   1 minor   2 samples_max   3..6 tick_hz   7..10 features   11..18 device id   19..22 ring   23..24 imu   25 count

    device_id : 8 bytes; the serial number (2A25) is their hexadecimal. ring_capacity : samples that the ring holds at the
    full rate. imu : 0 unknown, 1 simulated, 2 LSM6DS3TR-C. configs : 1-8, with distinct ids.
    """

    samples_max: int
    tick_hz: int
    features: Feature
    device_id: bytes
    ring_capacity: int
    imu: int
    configs: tuple[Config, ...]
    major: int = VERSION
    minor: int = MINOR


_INFO = struct.Struct("<BBBII8sIHB")


def encode_status(status: StatusReport) -> bytes:
    """The 20 bytes of Status."""
    return status.pack()


def decode_status(payload: bytes) -> StatusReport | Rejection:
    """What Status reads or notifies."""
    return StatusReport.unpack(payload)


def encode_info(info: Info) -> bytes:
    """The bytes of Info. ValueError for a field that does not fit, or not 1-8 configurations."""
    if not 1 <= len(info.configs) <= CONFIGS_MAX:
        raise ValueError(f"Info holds 1-{CONFIGS_MAX} configurations, not {len(info.configs)}")
    head = [getattr(info, f.name) for f in fields(info) if f.name not in ("configs", "major", "minor")]
    try:
        packed = _INFO.pack(info.major, info.minor, *head, len(info.configs))
    except struct.error as error:
        raise ValueError(f"a field of Info does not fit its bytes: {error}") from error
    return packed + b"".join(c.pack() for c in info.configs)


def decode_info(payload: bytes) -> Info | Rejection:
    """What Info reads. The count of configurations is checked against the length before anything is read by it."""
    if not payload:
        return Rejection.LENGTH
    if payload[0] != VERSION:
        return Rejection.VERSION
    if len(payload) < _INFO.size:
        return Rejection.LENGTH
    major, minor, samples_max, tick_hz, features, device_id, ring, imu, count = _INFO.unpack_from(payload)
    if not 1 <= count <= CONFIGS_MAX:
        return Rejection.COUNT
    if len(payload) != _INFO.size + count * Config.WIRE.size:
        return Rejection.LENGTH
    if tick_hz != TICK_HZ or not 1 <= samples_max <= SAMPLES_MAX:
        return Rejection.VALUE
    configs = []
    for k in range(count):
        config = Config.unpack(payload[_INFO.size + k * Config.WIRE.size :][: Config.WIRE.size])
        if isinstance(config, Rejection):
            return config
        configs.append(config)
    if len({c.id for c in configs}) != count:
        return Rejection.VALUE
    return Info(samples_max, tick_hz, Feature(features), device_id, ring, imu, tuple(configs), major, minor)
