"""Size probes: datagrams of a given size that ask whether a path carries it (RFC 8899).

One that is too long is lost, which is the answer. So they are no frames: their loss leaves no gap to repair, and is no loss of
the link.
"""

from mycelium.link.keypair import LinkKeypair
from mycelium.wire.datagram import FRAME_HEAD, SIZE_PROBE_BODY, SIZE_PROBE_WORD, TAG_BYTES


def seal_size_probe(keypair: LinkKeypair, token: int, size: int) -> memoryview:
    """Returns a datagram of `size` bytes that asks for a reply with this token."""
    datagram = memoryview(bytearray(size))
    sealing = keypair.size_probe_sealing
    FRAME_HEAD.pack_into(datagram, 0, SIZE_PROBE_WORD, keypair.remote_index, sealing.counter)
    plain = bytearray(size - FRAME_HEAD.size - TAG_BYTES)
    SIZE_PROBE_BODY.pack_into(plain, 0, token)
    sealing.seal_into(sealing.counter, plain, datagram[: FRAME_HEAD.size], datagram[FRAME_HEAD.size :])
    return datagram


def open_size_probe(keypair: LinkKeypair, datagram: memoryview) -> int | None:
    """Returns the token of a size probe; None for one that is not authentic, malformed, or older than one opened before."""
    room = len(datagram) - FRAME_HEAD.size - TAG_BYTES
    if room < SIZE_PROBE_BODY.size:
        return None
    _, _, counter = FRAME_HEAD.unpack_from(datagram)
    plain = bytearray(room)
    head, sealed = datagram[: FRAME_HEAD.size], datagram[FRAME_HEAD.size :]
    if not keypair.size_probe_opening.open_into(counter, sealed, head, plain):
        return None
    (token,) = SIZE_PROBE_BODY.unpack_from(plain)
    return int(token)
