"""Trains: packets for one destination from one read of TUN, sealed once end to end, forwarded unchanged by relays.

    0  1  hop limit                            } relays change these two bytes;
    1  1  flags: 1 deflected, 2 congested      } the rest of the header is associated data of the seal
    2  1  version 1 in the high half, type in the low: 0 data, 1 session request, 2 session reply, 3 error, 4 cookie, 5 relay,
          6 lookup, 7 answer, 8 proof, 9 unsealed
    3  1  traffic class of the packets
    4  1  flow bucket
    5  3  length of the body
    8  4  session index of the receiver; 0 in a session request
    12 8  counter; in a session request and reply the sender's own index, with the suites offered or the one chosen in
          bits 32-39 (`wire.datagram`)
    20 16 destination node
    36 16 source node
    52    body

The body of a data train is sealed items; the nonce is four zero bytes and the counter. That of an unsealed one, for the
neighbour at the other end of a link, is items: the seal of the frame is end to end. The body of a session request or reply is
the handshake message, 1,296 or 1,152 bytes. That of a cookie is its 16 bytes, which the next request brings back behind the
message. The body of an error, which the relay signs, is: code 1 (0 no route, 3 hop limit), zeros 3; session index 4, counter 8,
destination 16 and last 16 bytes of the train it is about, zeros for an unsealed one; Ed25519 public key 32; signature 64 over
the label, the destination of the error, and the body up to here.

The body of a relay train is another train, whole, behind the 16 bytes of its source's home, or zeros. Its own destination is a
waypoint at first, and that of the train inside from the first node on that has a route there; hop limit and flags count in
place of those inside.

The bodies of lookups and answers are those of `lookup.py`. That of a proof is one of `session_proof.py`, sealed as that of a
data train; its class and flow bucket are 0.

Item:
    0  3  length of the content, after the 8-byte head
    3  1  type in the high half: 0 packet, 1 report, 2 signal (`signal.py`), 3 echo (`echo.py`), 4 speed test (`speed.py`), 5
          probe of a way (`reachability.py`), 6 survey (`survey.py`), 8 where to meet (`meeting.py`), 9 home records; low half
          for a packet: 1 TCP super-packet, 2 UDP super-packet, 4 partial checksum: sum of the pseudo-header only, 8 the
          super-packet carries CWR
    4  2  segment size of a super-packet: payload bytes of each of its packets
    6  2  zeros
    8     packet

Report (by the receiver of trains; the sender makes trains smaller if many are lost):
    0  8  newest counter opened under the keypair that was used last; only the low 32 bits count
    8  8  number of trains opened under it; only the low 32 bits count
"""

import struct
from typing import Final

TRAIN_HEADER: Final = struct.Struct("!BBBBIIQ16s16s")  # bucket << 24 | length is one word
TrainHeader = tuple[int, int, int, int, int, int, int, bytes, bytes]  # the fields of TRAIN_HEADER
TRAIN_HEADER_BYTES: Final = TRAIN_HEADER.size
AAD_START: Final = 2
VERSION: Final = 1

DATA: Final = 0x10
SESSION_REQUEST: Final = 0x11
SESSION_REPLY: Final = 0x12
ERROR: Final = 0x13
SESSION_COOKIE: Final = 0x14
RELAY: Final = 0x15
LOOKUP: Final = 0x16
ANSWER: Final = 0x17
SESSION_PROOF: Final = 0x18
UNSEALED: Final = 0x19

DEFLECTED: Final = 1
CONGESTED: Final = 2
LENGTH_MASK: Final = 0xFF_FFFF
_SUITES_SHIFT: Final = 32

SESSION_REQUEST_BYTES: Final = 1_296
SESSION_REPLY_BYTES: Final = 1_152
SESSION_COOKIE_BYTES: Final = 16  # behind a request that answers a cookie, and the body of one

WRAPPER: Final = struct.Struct("!BBBBIIQ16s16s16s")  # the header of a relay train, and the home of its source
WRAPPER_BYTES: Final = WRAPPER.size
DESTINATION: Final = slice(20, 36)
INNER_DESTINATION: Final = slice(WRAPPER_BYTES + 20, WRAPPER_BYTES + 36)

ITEM_HEADER: Final = struct.Struct("!IHxx")  # length << 8 | type and flags, segment size
ITEM_HEADER_BYTES: Final = ITEM_HEADER.size
ITEM_REPORT: Final = 0x10
ITEM_SIGNAL: Final = 0x20
ITEM_ECHO: Final = 0x30
ITEM_SPEED: Final = 0x40
ITEM_REACHABILITY: Final = 0x50
ITEM_SURVEY: Final = 0x60
ITEM_MEETING: Final = 0x80
ITEM_HOMES: Final = 0x90

REPORT: Final = struct.Struct("!QQ")

ERROR_NO_ROUTE: Final = 0
ERROR_UNDELIVERABLE: Final = 1
ERROR_HOP_LIMIT: Final = 3
ERROR_LABEL: Final = b"mycelium relay error 1\x00"
ERROR_QUOTE: Final = struct.Struct("!BxxxIQ16s16s")
ERROR_SIGNED_BYTES: Final = ERROR_QUOTE.size + 32
ERROR_BODY_BYTES: Final = ERROR_SIGNED_BYTES + 64
QUOTED_TAG_BYTES: Final = 16


def handshake_counter(index: int, suites: int) -> int:
    """Returns the counter field of a session request or reply: the sender's own index, the suites offered or chosen."""
    return suites << _SUITES_SHIFT | index


def index_and_suites(counter: int) -> tuple[int, int]:
    """Returns what `handshake_counter` packed."""
    return counter & 0xFFFF_FFFF, counter >> _SUITES_SHIFT & 0xFF


def home_in(train: memoryview) -> bytes:
    """Returns the home of the source of a relay train, empty if it has none."""
    home = bytes(train[TRAIN_HEADER_BYTES:WRAPPER_BYTES])
    return home if any(home) else b""


assert TRAIN_HEADER_BYTES == 52
assert ITEM_HEADER_BYTES == 8
