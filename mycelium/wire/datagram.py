"""Datagrams between neighbours: the first bytes of everything on the underlay.

Integers are big endian. The first byte is a type in 0x10..0x1F, so that QUIC can share the port (RFC 9443).

    handshake 1   type 0x10, version, suites offered, flags | sender index 4 | e 32 | e1 1184 | mac 1 4 | mac 2 4     1,232
    handshake 2   type 0x11, version, suite chosen, flags | sender 4 | receiver 4 | e 32 | ekem1 1104 | s 48 | inst. 32 1,228
    handshake 3   type 0x12, zeros 3 | receiver 4 | s 48 | instance 32                                                   88
    cookie        type 0x13, zeros 3 | receiver 4 | mac 1 of the message it answers 4 | cookie 32 | mac 8                52
    frame         type 0x14, zeros 3 | receiver 4 | counter 8 | sealed frame
    chunk         type 0x15, byte offset 3 | receiver 4 | counter 8 | tag, length of folded frame 4, room 2, pad 1, 0 | bytes
    size probe    type 0x16, zeros 3 | receiver 4 | counter 8 | sealed: token 4, zeros up to the size that is probed
    part          type 0x17, number of the part, zeros 2 | sender 4 | at most 416 bytes of handshake 1 or 2

The instance in messages 2 and 3, sealed, is random, chosen at each start of their sender.

A frame that fits one datagram is sent as `frame`, a longer one as chunks. In both cases the associated data of its seal is the
16-byte header of the `frame` form, and its nonce is four zero bytes and the counter.

A size probe is sealed likewise, under the same key. Its counters are others than those of frames, so that one that is too long
for the path leaves no gap among them: it is expected to be lost.
"""

import struct
from typing import Final

HANDSHAKE_1: Final = 0x10
HANDSHAKE_2: Final = 0x11
HANDSHAKE_3: Final = 0x12
COOKIE: Final = 0x13
FRAME: Final = 0x14
CHUNK: Final = 0x15
SIZE_PROBE: Final = 0x16
HANDSHAKE_PART: Final = 0x17
TYPES: Final = range(0x10, 0x20)  # of this version and of later ones

# where the kinds that name an index of their receiver have it, but message 3, whose sender nothing vouches for
RECEIVER_AT: Final = {HANDSHAKE_2: 8, COOKIE: 4, FRAME: 4, CHUNK: 4, SIZE_PROBE: 4}

PROTOCOL_VERSION: Final = 1
SUITE_AES_256_GCM: Final = 0x01
SUITE_CHACHA20_POLY1305: Final = 0x02

HANDSHAKE_1_BYTES: Final = 1_232
HANDSHAKE_2_BYTES: Final = 1_228
HANDSHAKE_3_BYTES: Final = 88
COOKIE_BYTES: Final = 52
HANDSHAKE_PARTS: Final = 3
HANDSHAKE_PART_BYTES: Final = 416  # of the message, in each part but the last

HANDSHAKE_1_HEAD: Final = struct.Struct("!BBBBI")
HANDSHAKE_2_HEAD: Final = struct.Struct("!BBBBII")
HANDSHAKE_3_HEAD: Final = struct.Struct("!B3xI")
HANDSHAKE_PART_HEAD: Final = struct.Struct("!BBxxI")
COOKIE_DATAGRAM: Final = struct.Struct("!B3xI4s32s8s")
FRAME_HEAD: Final = struct.Struct("!IIQ")  # type << 24, receiver, counter
SIZE_PROBE_BODY: Final = struct.Struct("!I")  # token
# type << 24 | offset, receiver, counter, tag << 18 | folded bytes, room, pad
CHUNK_HEAD: Final = struct.Struct("!IIQIHBx")
FRAME_WORD: Final = FRAME << 24
CHUNK_WORD: Final = CHUNK << 24
SIZE_PROBE_WORD: Final = SIZE_PROBE << 24
FIRST_SIZE_PROBE: Final = 1 << 63  # counter; frames never get so far
CHUNK_OFFSET_MASK: Final = 0xFF_FFFF
CHUNK_TAG_BITS: Final = 14
CHUNK_TAG_SHIFT: Final = 32 - CHUNK_TAG_BITS
FOLDED_BYTES_MASK: Final = (1 << CHUNK_TAG_SHIFT) - 1
FIRST_TAG_BLOCK: Final = 3 << 62  # the first counter of nonces for the tags of chunks
TAG_BYTES: Final = 16
