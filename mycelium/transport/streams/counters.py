"""What a transport of streams counts."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class StreamCounters:
    """What happened on all connections, of every scheme."""

    received_batches: int = counter("Reads from connections.")
    received_bytes: int = counter("Bytes read from connections, those of TLS and of lengths included.")
    sent_batches: int = counter("Batches of datagrams handed to connections.")
    sent_bytes: int = counter("Bytes of these batches, lengths of datagrams included.")
    send_dropped: int = drops("Batches of datagrams dropped since a connection had too much to send.")
    send_lost: int = drops("Batches of datagrams for a connection that is closed or can't be dialled.")
    dialled: int = counter("Connections begun.")
    dial_failed: int = counter("Connections refused by the peer or a proxy, or not open in time.")
    accepted: int = counter("Connections accepted.")
    refused: int = counter("Connections refused because there were too many.")
    inside_refused: int = counter("Connections refused because they came through the overlay itself.")
    ended: int = counter("Connections closed by the peer or the network.")
    unused: int = counter("Connections closed because the node did not use them.")
    malformed: int = counter("Connections closed because they carried something else.")
