"""What a TUN device is to the rest: batches of IPv6 packets in and out."""

from collections.abc import Sequence
from typing import Protocol

from mycelium.packet.batch import Delivery, PacketBatch


class TunCounters:
    """Counts since the device was opened; bumped on the data path, read by whoever wants to show them.

    A super-packet counts as one packet.
    """

    __slots__ = (
        "bytes_read",
        "bytes_written",
        "malformed",
        "not_ipv6",
        "packets_read",
        "packets_written",
        "refused",
        "writes",
    )

    def __init__(self) -> None:
        self.packets_read = 0
        self.bytes_read = 0
        self.packets_written = 0  # as delivered, before runs are merged
        self.bytes_written = 0
        self.writes = 0  # system calls
        self.not_ipv6 = 0  # read and dropped
        self.malformed = 0  # dropped: item flags and packet do not fit each other
        self.refused = 0  # writes that the kernel did not take, dropped


class TunDevice(Protocol):
    """A network interface whose packets this process reads and writes; nothing blocks."""

    name: str
    counters: TunCounters

    def fileno(self) -> int:
        """Returns the descriptor to poll for reading."""

    def read_batch(self, batch: PacketBatch) -> int:
        """Clears `batch`, reads what waits, a batch at most, and returns how many packets there are; drops what is not IPv6.

        Raises DeviceError where the device is gone.
        """

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Hands packets to the kernel; what is malformed or refused is dropped and counted."""

    def close(self) -> None:
        """Gives the device up; it may be called again."""
