"""The plaintext of a link frame.

    0  1  kind: 1 control, 2 probe, 3 data, 4 close, 5 repair, 6 rate, 7 key proof, 8 unsealed; others are skipped
    1  1  sender's number of the path
    2  2  data and unsealed frames: distance in counters to the nearest earlier one of them that may carry the same flow, 0
          for none within 65,535; other frames: zeros
    4  4  acknowledgement: low 32 bits of the newest counter received on that path, 0 for none
    8     body

Control body (one segment of the reliable control channel):
    0  4  stream of the sender
    4  4  number of this segment in the stream, from 1; 0 if the body only acknowledges
    8  4  acknowledged stream of the receiver
    12 4  last segment of that stream before the first gap
    16 8  bit n: segment (that number + 2 + n) has arrived too
    24    control messages

Probe body:
    0  1  flags: 1 wants a reply, 2 is a reply, 4 the sender takes unsealed trains
    1  3  of a reply: microseconds that the probe waited at the replying host, all ones for more
    4  4  token: random, chosen by the prober, repeated by the reply
    8  4  low 32 bits of the number of frames that the sender has opened under this keypair
    12 4  low 32 bits of the newest counter that it has opened under this keypair

Close body: reason 1 (1 leaving; others mean the same), optional UTF-8 text.
Data body: trains, see `mycelium.wire.train`.
Unsealed body: one unsealed train, which the sender of the frame has written and not forwarded.

Repair body (requests sealed frames again):
    0  4  receiver's index under which the frames were sent
    4     ranges of sealed frames, those of one frame adjacent and in order:
          0  8  counter of the frame
          8  4  first byte
          12 4  end; a value beyond the end of the frame stands for it

Rate body (frames take too long to arrive):
    0  4  rate at which their chunks arrive, kbit/s, not 0

Key proof body: see `mycelium.wire.key_proof`.
"""

import struct
from typing import Final, NamedTuple

from mycelium.errors import DecodeError

CONTROL: Final = 1
PROBE: Final = 2
DATA: Final = 3
CLOSE: Final = 4
REPAIR: Final = 5
RATE: Final = 6
PROOF: Final = 7
UNSEALED: Final = 8

OF_TRAINS: Final = (DATA, UNSEALED)  # kinds of frames that carry trains

FRAME_HEADER: Final = struct.Struct("!BBHI")
CONTROL_HEADER: Final = struct.Struct("!IIIIQ")
PROBE_BODY: Final = struct.Struct("!B3sIII")
WAITED_CEILING_US: Final = 0xFF_FFFF
REPAIR_HEAD: Final = struct.Struct("!I")
RATE_BODY: Final = struct.Struct("!I")
REPAIR_RANGE: Final = struct.Struct("!QII")
WHOLE_FRAME: Final = 0xFFFF_FFFF  # as the end of a range
PROBE_WANTS_REPLY: Final = 1
PROBE_IS_REPLY: Final = 2
PROBE_TAKES_UNSEALED: Final = 4
CLOSE_LEAVING: Final = 1
_KBIT: Final = 125  # bytes


class ProbeFields(NamedTuple):
    """The fields of a probe's body."""

    flags: int
    waited_s: float  # seconds; the wire rounds to microseconds and ends at WAITED_CEILING_US
    token: int
    opened: int
    newest: int

    @property
    def wants_reply(self) -> bool:
        """Tells whether it must be answered."""
        return bool(self.flags & PROBE_WANTS_REPLY)

    @property
    def is_reply(self) -> bool:
        """Tells whether it is an answer."""
        return bool(self.flags & PROBE_IS_REPLY)

    @property
    def takes_unsealed(self) -> bool:
        """Tells whether its sender takes unsealed trains."""
        return bool(self.flags & PROBE_TAKES_UNSEALED)


def write_probe(plain: memoryview, fields: ProbeFields) -> None:
    """Writes the body behind the frame header, which stays as it is."""
    waited_us = min(max(round(fields.waited_s * 1e6), 0), WAITED_CEILING_US)
    body = (fields.flags, waited_us.to_bytes(3, "big"), fields.token, fields.opened, fields.newest)
    PROBE_BODY.pack_into(plain, FRAME_HEADER.size, *body)


def read_probe(body: memoryview) -> ProbeFields:
    """Raises DecodeError for a body that is too short."""
    if len(body) < PROBE_BODY.size:
        raise DecodeError("probe length")
    flags, waited_us, token, opened, newest = PROBE_BODY.unpack_from(body)
    return ProbeFields(flags, int.from_bytes(waited_us, "big") * 1e-6, token, opened, newest)


def write_rate(plain: memoryview, rate: float) -> None:
    """Writes a rate, in bytes a second, behind the frame header."""
    RATE_BODY.pack_into(plain, FRAME_HEADER.size, min(max(round(rate / _KBIT), 1), 0xFFFF_FFFF))


def read_rate(body: memoryview) -> float:
    """Returns the rate in bytes a second; raises DecodeError for a body that is too short, and for 0."""
    if len(body) < RATE_BODY.size or not any(body[: RATE_BODY.size]):
        raise DecodeError("rate")
    return float(RATE_BODY.unpack_from(body)[0] * _KBIT)
