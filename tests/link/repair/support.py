"""Data frames as flow buckets see them."""

from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import TRAIN_HEADER_BYTES


def frame_of(*buckets: int) -> memoryview:
    """Returns a data frame with an empty train of each flow bucket."""
    trains = b"".join(bytes((64, 0, 0x10, 0, bucket)) + bytes(TRAIN_HEADER_BYTES - 5) for bucket in buckets)
    return memoryview(bytearray(bytes(FRAME_HEADER.size) + trains))
