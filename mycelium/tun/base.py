"""The interface of a TUN device: batches of IPv6 packets in and out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mycelium.counters import counter, drops
from mycelium.packet.batch import Delivery, PacketBatch


@dataclass(slots=True)
class TunCounters:
    """Totals since the device was opened. A super-packet counts as one packet."""

    packets_read: int = counter("Packets read.")
    bytes_read: int = counter("Bytes read.")
    acks_left_out: int = counter(
        "TCP acknowledgements read and left out: a later one that was read with them says it again."
    )
    packets_written: int = counter("Packets written, before runs are merged.")
    bytes_written: int = counter("Bytes written.")
    writes: int = counter("System calls that wrote.")
    not_ipv6: int = drops("Packets read and dropped: not IPv6.")
    malformed: int = drops("Packets dropped: their offload flags do not fit them.")
    refused: int = drops("Writes that the kernel refused, dropped.")


class TunDevice(Protocol):
    """A network interface whose packets this process reads and writes; no method blocks."""

    name: str
    counters: TunCounters

    def fileno(self) -> int:
        """Returns the descriptor to poll for reading."""

    def read_batch(self, batch: PacketBatch) -> int:
        """Fills `batch` with waiting packets and returns their number; drops packets other than IPv6.

        Raises DeviceError if the device was removed.
        """

    @property
    def is_drained(self) -> bool:
        """Tells whether there is nothing to read, as far as `read_batch` knows, until the descriptor is readable again."""

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Writes packets; those that are malformed or rejected by the kernel are dropped and counted."""

    def close(self) -> None:
        """Closes the device; further calls do nothing."""
