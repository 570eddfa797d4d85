"""What a transport over QUIC counts."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class QuicCounters:
    """What happened on all connections."""

    received_datagrams: int = counter("Datagrams received in connections.")
    received_bytes: int = counter("Bytes of these datagrams.")
    receive_dropped: int = drops("Datagrams dropped since the node had too much to read.")
    sent_batches: int = counter("Batches of datagrams handed to connections.")
    sent_bytes: int = counter("Bytes of these batches.")
    send_dropped: int = drops("Batches of datagrams dropped since a connection had too much to send.")
    send_lost: int = drops("Batches of datagrams for a connection that is closed or can't be dialled.")
    send_full: int = counter(
        "Sends of packets that found the socket's buffer full; the connection repeats what matters."
    )
    dialled: int = counter("Connections begun.")
    dial_failed: int = counter("Connections refused by the peer, or not open in time.")
    accepted: int = counter("Connections accepted.")
    refused: int = counter("Connections refused because there were too many.")
    retried: int = counter("Initial packets answered by Retry, since many connections were half open.")
    versions_answered: int = counter("Packets of other QUIC versions answered by Version Negotiation.")
    silent: int = counter("Connections closed because the peer did not answer any more.")
    ended: int = counter("Connections closed by the peer.")
    unused: int = counter("Connections closed because the node did not use them.")
    malformed: int = counter("Connections closed because they carried something else.")
    moved_dropped: int = drops("Batches of packets dropped since they came from another address than the connection's.")
    unknown_dropped: int = drops("Packets dropped that belong to no connection and begin none.")
