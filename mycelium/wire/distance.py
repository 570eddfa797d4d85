"""Distances: a sequence and a metric in one integer, so that feasibility is one comparison (RFC 8966 section 3.5.1).

The smaller integer is the better distance: newer sequence first, then smaller metric. Bits 32-79 hold the inverted sequence,
bits 0-31 the metric. Values that are not usable distances are larger than all distances.
"""

from typing import Final

from mycelium.wire.announcement import SEQUENCE_LIMIT

INFINITY: Final = 0xFFFF_FFFF  # the metric of an unreachable node
METRIC_MASK: Final = 0xFFFF_FFFF
SEQUENCE_MASK: Final = SEQUENCE_LIMIT - 1

RETRACTED: Final = 1 << 80  # flag on the last advertised distance of a retracted route
NO_SOURCE: Final = 1 << 80  # feasibility distance of a node without source entry; every distance is smaller
UNKNOWN: Final = 1 << 81  # route of a neighbour that has advertised nothing
FLIP: Final = SEQUENCE_MASK << 32  # distance ^ FLIP is sequence << 32 | metric


def distance(sequence: int, metric: int) -> int:
    """Packs a sequence and a metric into a distance."""
    return (sequence ^ SEQUENCE_MASK) << 32 | metric


def sequence_of(packed: int) -> int:
    """Returns the sequence of a distance, retracted or not."""
    return packed >> 32 & SEQUENCE_MASK ^ SEQUENCE_MASK


def metric_of(packed: int) -> int:
    """Returns the metric of a distance."""
    return packed & METRIC_MASK
