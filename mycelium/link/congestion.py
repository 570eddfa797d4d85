"""Congestion marks of the underlay: from datagrams into the trains that they carry (RFC 3168, RFC 6040).

A frame counts as marked when any of its datagrams was, as a packet does of which a fragment was (RFC 3168 section 5.3). What
is sealed end to end can't be changed on the way, so the mark becomes a flag in the head of each train, which the seals of the
links to come protect. Nothing of this runs while no router marks anything.
"""

from collections.abc import Mapping

from mycelium.limits import PARTIAL_FRAMES_PER_KEYPAIR
from mycelium.link.keypair import LinkKeypair
from mycelium.wire.datagram import CHUNK, FRAME, FRAME_HEAD
from mycelium.wire.frame import FRAME_HEADER, OF_TRAINS
from mycelium.wire.train import CONGESTED, LENGTH_MASK, TRAIN_HEADER, TRAIN_HEADER_BYTES


def note_marks(keypairs: Mapping[int, LinkKeypair], burst: memoryview, segment_size: int) -> None:
    """Notes the frames of datagrams that are marked, and about to be received; `keypairs` are those of a link, by our index."""
    for start in range(0, len(burst), segment_size):
        datagram = burst[start : start + segment_size]
        if len(datagram) < FRAME_HEAD.size or datagram[0] not in (FRAME, CHUNK):
            continue
        _, index, counter = FRAME_HEAD.unpack_from(datagram)
        keypair = keypairs.get(index)
        if keypair is not None:
            if len(keypair.marked) >= PARTIAL_FRAMES_PER_KEYPAIR:  # most are of frames that never came, perhaps forged
                keypair.marked.intersection_update(keypair.reassembly.started())
            keypair.marked.add(counter)


def pass_on_mark(keypair: LinkKeypair, counter: int, plain: memoryview) -> None:
    """Marks the trains of a frame that was opened, if it carries any and a datagram of it was marked."""
    if counter in keypair.marked:
        keypair.marked.remove(counter)
        if plain[0] in OF_TRAINS:
            mark_trains(plain)


def mark_trains(plain: memoryview) -> None:
    """Sets the flag in each train of an opened data frame."""
    position = FRAME_HEADER.size
    while position + TRAIN_HEADER_BYTES <= len(plain):
        head = TRAIN_HEADER.unpack_from(plain, position)
        plain[position + 1] = head[1] | CONGESTED
        position += TRAIN_HEADER_BYTES + (head[4] & LENGTH_MASK)
