"""The control point: every message as a frozen record with its bytes. Pure functions, total decoders.

Request {op u8, tag u8, arguments}; reply {0x80, op, tag, status, arguments}; DONE {0x81, boot, from, to, sent, missing}. All are
little-endian and of exact length. A tag is the client's and comes back in the reply. PROTOCOL.md section 4 is the reference.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar

from firmware_protocol.frames import SAMPLES_MAX
from firmware_protocol.records import Record
from firmware_protocol.rejection import Rejection
from firmware_protocol.status import CONFIGS_MAX

REPLY = 0x80
DONE = 0x81
NO_CONFIG = 0xFF
"""Fills the unused places of GetConfigsReply; no configuration has this id."""


HAPTIC_ON_MS = (0, 100, 400, 200, 300)
"""How long the motor is on in one repeat of each pattern, ms."""
HAPTIC_ON_MAX_MS = 2000
"""Most that one request may have the motor on, ms; ours: a nudge, and a limit that no client can lift."""
LOCAL_ALERT_ANGLE_MIN_DEG = 10
"""Below it breathing and walking would set it off; provisional, ours."""
LOCAL_ALERT_UP_MIN = 256
"""Counts; a shorter vector has no direction to a degree."""


class Op(IntEnum):
    """What the client asks for."""

    GET_CONFIGS = 0x01
    START = 0x02
    STOP = 0x03
    TIME_SYNC = 0x04
    SET_EPOCH = 0x05
    GYRO_CAL = 0x06
    HAPTIC = 0x07
    BACKFILL = 0x08
    BACKFILL_CANCEL = 0x09
    SET_CONN = 0x0A
    IDENTIFY = 0x0B
    SELF_TEST = 0x0C
    LOCAL_ALERT = 0x0D
    FORGET_BONDS = 0x0E
    REBOOT = 0x0F
    LIST_BOOTS = 0x10


class Status(IntEnum):
    """How a request ended."""

    OK = 0
    UNKNOWN_OP = 1
    BAD_ARG = 2
    BUSY = 3
    STATE = 4
    NOT_STORED = 5
    MTU = 6
    AUTH = 7


class SelfTest(IntFlag):
    """Parts of SELF_TEST."""

    IMU = 1 << 0
    STORE = 1 << 1
    MOTOR = 1 << 2
    GAUGE = 1 << 3


# Requests. A field without limits takes any value that fits its bytes.


@dataclass(frozen=True, slots=True)
class GetConfigs(Record):
    """Which configurations there are, and which one is in force."""


@dataclass(frozen=True, slots=True)
class Start(Record):
    """Stream with the configuration `config`; a full-rate one is also what the ring records from now on."""

    config: int
    WIRE: ClassVar = struct.Struct("<B")


@dataclass(frozen=True, slots=True)
class Stop(Record):
    """Stream no more; the ring goes on."""


@dataclass(frozen=True, slots=True)
class TimeSync(Record):
    """t1 : u64, the client's clock when it wrote, in any unit; the sensor only sends it back."""

    t1: int
    WIRE: ClassVar = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class SetEpoch(Record):
    """unix_us : u64, us since 1970 UTC at `ticks`. ticks : u64 of the sensor's clock, not in its future."""

    unix_us: int
    ticks: int
    WIRE: ClassVar = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class GyroCal(Record):
    """Average the gyroscope for `duration_s`; the sensor must lie still."""

    duration_s: int
    WIRE: ClassVar = struct.Struct("<B")
    LIMITS: ClassVar = {"duration_s": (1, 10)}


@dataclass(frozen=True, slots=True)
class Haptic(Record):
    """pattern : 0 stops, 1 short, 2 long, 3 double, 4 triple. strength_pct. repeats. At most 2 s on (`HAPTIC_ON_MS`)."""

    pattern: int
    strength_pct: int
    repeats: int
    WIRE: ClassVar = struct.Struct("<BBB")
    LIMITS: ClassVar = {"pattern": (0, 4), "strength_pct": (1, 100), "repeats": (1, 20)}

    def within_limits(self) -> bool:
        """Also the time that the motor is on."""
        return Record.within_limits(self) and HAPTIC_ON_MS[self.pattern] * self.repeats <= HAPTIC_ON_MAX_MS


@dataclass(frozen=True, slots=True)
class Backfill(Record):
    """Send the samples [from_index, to_index) of `boot` that are stored."""

    boot: int
    from_index: int
    to_index: int
    WIRE: ClassVar = struct.Struct("<HII")

    def within_limits(self) -> bool:
        """An empty range is no request."""
        return self.from_index < self.to_index


@dataclass(frozen=True, slots=True)
class BackfillCancel(Record):
    """End the running backfill; DONE says how far it came."""


@dataclass(frozen=True, slots=True)
class SetConn(Record):
    """Connection parameters to ask the central for: intervals in units of 1.25 ms, latency in intervals, timeout in 10 ms."""

    interval_min: int
    interval_max: int
    latency: int
    timeout: int
    WIRE: ClassVar = struct.Struct("<HHHH")
    LIMITS: ClassVar = {"interval_min": (6, 800), "interval_max": (6, 800), "latency": (0, 30), "timeout": (100, 3200)}

    def within_limits(self) -> bool:
        """Also: the range rises, and the timeout is more than twice the longest silence (Core 5.4, vol 6 part B 4.5.2)."""
        silence = 2 * (1 + self.latency) * self.interval_max
        return (
            Record.within_limits(self) and self.interval_min <= self.interval_max and 8 * self.timeout > silence
        )  # 10 ms are eight times 1.25 ms


@dataclass(frozen=True, slots=True)
class Identify(Record):
    """Blink for 5 s."""


@dataclass(frozen=True, slots=True)
class SelfTestRun(Record):
    """Test the parts; only while nothing streams."""


@dataclass(frozen=True, slots=True)
class LocalAlert(Record):
    """Buzz by itself, while no host is connected, when the tilt from `up` stays over `angle_deg` for `hold_s`.

    angle_deg : 0 switches it off. up : what the accelerometer reads upright, raw counts (any scale; only the direction counts).
    """

    angle_deg: int
    hold_s: int
    up_x: int
    up_y: int
    up_z: int
    WIRE: ClassVar = struct.Struct("<BHhhh")
    LIMITS: ClassVar = {"angle_deg": (0, 80), "hold_s": (1, 600)}

    def within_limits(self) -> bool:
        """Off, or at least 10 deg from a direction of at least 256 counts."""
        if not Record.within_limits(self) or 0 < self.angle_deg < LOCAL_ALERT_ANGLE_MIN_DEG:
            return False
        return self.angle_deg == 0 or self.up_x**2 + self.up_y**2 + self.up_z**2 >= LOCAL_ALERT_UP_MIN**2


@dataclass(frozen=True, slots=True)
class ForgetBonds(Record):
    """Forget the host; only within 60 s of a press of the button."""


@dataclass(frozen=True, slots=True)
class Reboot(Record):
    """Start anew, after the reply has been confirmed or the link has ended."""


@dataclass(frozen=True, slots=True)
class ListBoots(Record):
    """The boot that comes after `skip` others in the ring, oldest first."""

    skip: int
    WIRE: ClassVar = struct.Struct("<B")


Request = (
    GetConfigs
    | Start
    | Stop
    | TimeSync
    | SetEpoch
    | GyroCal
    | Haptic
    | Backfill
    | BackfillCancel
    | SetConn
    | Identify
    | SelfTestRun
    | LocalAlert
    | ForgetBonds
    | Reboot
    | ListBoots
)

REQUESTS: Mapping[Op, type[Request]] = {
    Op.GET_CONFIGS: GetConfigs,
    Op.START: Start,
    Op.STOP: Stop,
    Op.TIME_SYNC: TimeSync,
    Op.SET_EPOCH: SetEpoch,
    Op.GYRO_CAL: GyroCal,
    Op.HAPTIC: Haptic,
    Op.BACKFILL: Backfill,
    Op.BACKFILL_CANCEL: BackfillCancel,
    Op.SET_CONN: SetConn,
    Op.IDENTIFY: Identify,
    Op.SELF_TEST: SelfTestRun,
    Op.LOCAL_ALERT: LocalAlert,
    Op.FORGET_BONDS: ForgetBonds,
    Op.REBOOT: Reboot,
    Op.LIST_BOOTS: ListBoots,
}
_OP_OF = {record: op for op, record in REQUESTS.items()}
_OPS = frozenset(int(op) for op in Op)
_STATUSES = frozenset(int(status) for status in Status)


# Arguments of replies.


@dataclass(frozen=True, slots=True)
class Nothing(Record):
    """A reply without arguments."""


@dataclass(frozen=True, slots=True)
class GetConfigsReply(Record):
    """recording : the full-rate configuration in force. count : how many of `ids` are used, 1-8; the rest is NO_CONFIG."""

    recording: int
    count: int
    ids: bytes
    WIRE: ClassVar = struct.Struct("<BB8s")
    LIMITS: ClassVar = {"count": (1, CONFIGS_MAX)}


@dataclass(frozen=True, slots=True)
class StartReply(Record):
    """config : as asked. n : samples per live frame, 0 for mini frames. index : of the next sample."""

    config: int
    n: int
    index: int
    WIRE: ClassVar = struct.Struct("<BBI")
    LIMITS: ClassVar = {"n": (0, SAMPLES_MAX)}


@dataclass(frozen=True, slots=True)
class TimeSyncReply(Record):
    """t1 : as asked. t2, t3 : u64 ticks when the request came and when the reply was handed to the link."""

    t1: int
    t2: int
    t3: int
    WIRE: ClassVar = struct.Struct("<QQQ")


@dataclass(frozen=True, slots=True)
class GyroCalReply(Record):
    """bias_x, _y, _z : counts. still : 0 or 1, whether nothing moved; a bias with still 0 must not be used."""

    bias_x: int
    bias_y: int
    bias_z: int
    still: int
    WIRE: ClassVar = struct.Struct("<hhhB")
    LIMITS: ClassVar = {"still": (0, 1)}


@dataclass(frozen=True, slots=True)
class HapticReply(Record):
    """budget_ms : how long the motor may still be on now; it refills by 100 ms each second, up to 2000."""

    budget_ms: int
    WIRE: ClassVar = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class RangeReply(Record):
    """[from_index, to_index) of the boot asked for that the ring spans, holes included; 0, 0 when it has nothing of it."""

    from_index: int
    to_index: int
    WIRE: ClassVar = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class SelfTestReply(Record):
    """tested, failed : `SelfTest` bits."""

    tested: int
    failed: int
    WIRE: ClassVar = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class ListBootsReply(Record):
    """count : boots in the ring. boot, [from_index, to_index) : the one asked for."""

    count: int
    boot: int
    from_index: int
    to_index: int
    WIRE: ClassVar = struct.Struct("<BHII")


ReplyArgs = (
    Nothing
    | GetConfigsReply
    | StartReply
    | TimeSyncReply
    | GyroCalReply
    | HapticReply
    | RangeReply
    | SelfTestReply
    | ListBootsReply
)

REPLIES: Mapping[Op, type[ReplyArgs]] = dict.fromkeys(Op, Nothing) | {
    Op.GET_CONFIGS: GetConfigsReply,
    Op.START: StartReply,
    Op.TIME_SYNC: TimeSyncReply,
    Op.GYRO_CAL: GyroCalReply,
    Op.HAPTIC: HapticReply,
    Op.BACKFILL: RangeReply,
    Op.SELF_TEST: SelfTestReply,
    Op.LIST_BOOTS: ListBootsReply,
}
"""Arguments of a reply with status OK. With NOT_STORED they are a RangeReply, with every other status there are none."""


@dataclass(frozen=True, slots=True)
class TaggedRequest:
    """A request as it is on the wire."""

    tag: int
    args: Request

    @property
    def op(self) -> Op:
        """The op of `args`."""
        return _OP_OF[type(self.args)]


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of the request with this op and tag. `op` is a plain number where the sensor did not know it."""

    op: int
    tag: int
    status: Status
    args: ReplyArgs


@dataclass(frozen=True, slots=True)
class Done(Record):
    """A backfill has ended. sent, missing : samples at the full rate of [from_index, to_index); their sum is its length."""

    boot: int
    from_index: int
    to_index: int
    sent: int
    missing: int
    WIRE: ClassVar = struct.Struct("<HIIII")


def encode_request(args: Request, tag: int) -> bytes:
    """The bytes to write to Control. ValueError for an argument outside of its range."""
    if not args.within_limits() or not 0 <= tag <= 0xFF:
        raise ValueError(f"{args} with tag {tag} is outside of what PROTOCOL.md allows")
    return bytes((_OP_OF[type(args)], tag)) + args.pack()


def decode_request(payload: bytes) -> TaggedRequest | Rejection:
    """What a sensor makes of a write to Control: TYPE is answered UNKNOWN_OP, VALUE and LENGTH (of two bytes or more) BAD_ARG."""
    if len(payload) < 2:
        return Rejection.LENGTH
    if payload[0] not in _OPS:
        return Rejection.TYPE
    args = REQUESTS[Op(payload[0])].unpack(payload[2:])
    return args if isinstance(args, Rejection) else TaggedRequest(payload[1], args)


def encode_reply(reply: Reply) -> bytes:
    """The bytes that the sensor indicates. ValueError for arguments that do not belong to the op and status."""
    if type(reply.args) is not _reply_args(reply.op, reply.status):
        raise ValueError(f"a reply to op {reply.op} with status {reply.status.name} has no {type(reply.args).__name__}")
    return bytes((REPLY, reply.op, reply.tag, reply.status)) + reply.args.pack()


def decode_reply(payload: bytes) -> Reply | Done | Rejection:
    """What Control indicates: a reply or DONE."""
    if not payload:
        return Rejection.LENGTH
    if payload[0] == DONE:
        return Done.unpack(payload[1:])
    if payload[0] != REPLY:
        return Rejection.TYPE
    if len(payload) < 4:
        return Rejection.LENGTH
    _, op, tag, code = payload[:4]
    if code not in _STATUSES or (op not in _OPS and code != Status.UNKNOWN_OP):
        return Rejection.TYPE
    args = _reply_args(op, Status(code)).unpack(payload[4:])
    return args if isinstance(args, Rejection) else Reply(op, tag, Status(code), args)


def encode_done(done: Done) -> bytes:
    """The bytes of the indication that ends a backfill."""
    return bytes((DONE,)) + done.pack()


def _reply_args(op: int, status: Status) -> type[ReplyArgs]:
    if status is Status.NOT_STORED:
        return RangeReply
    return REPLIES[Op(op)] if status is Status.OK and op in _OPS else Nothing
