"""Distances: a sequence and a metric in one integer, so that feasibility is one comparison (RFC 8966 section 3.5.1).

The smaller integer is the better distance: newer sequence first, then smaller metric. Bits 32-79 hold the sequence
with every bit flipped, bits 0-31 the metric. What is no distance to use lies above all of them.
"""

from typing import Final

from mycelium.wire.announcement import SEQUENCE_LIMIT

INFINITY: Final = 0xFFFF_FFFF  # the metric of what cannot be reached
METRIC_MASK: Final = 0xFFFF_FFFF
SEQUENCE_MASK: Final = SEQUENCE_LIMIT - 1

RETRACTED: Final = 1 << 80  # flag over the last distance that was advertised before its retraction
NO_SOURCE: Final = 1 << 80  # feasibility distance where none is recorded: every distance is smaller
UNKNOWN: Final = 1 << 81  # nothing was ever advertised
FLIP: Final = SEQUENCE_MASK << 32  # distance ^ FLIP is sequence << 32 | metric


def distance(sequence: int, metric: int) -> int:
    """Returns the distance (sequence, metric) as one integer, smaller is better."""
    return (sequence ^ SEQUENCE_MASK) << 32 | metric


def sequence_of(packed: int) -> int:
    """Returns the sequence of a distance, retracted or not."""
    return packed >> 32 & SEQUENCE_MASK ^ SEQUENCE_MASK


def metric_of(packed: int) -> int:
    """Returns the metric of a distance."""
    return packed & METRIC_MASK
