"""Wrapped trains: on their way to a waypoint, from where there is a route to their destination."""

from typing import NamedTuple, Protocol

from mycelium.wire.train import RELAY, TRAIN_HEADER_BYTES, WRAPPER, WRAPPER_BYTES


class Detour(NamedTuple):
    """How trains for a node leave: over a neighbour, with flags, and wrapped towards a waypoint, if there is one."""

    neighbour: bytes
    flags: int
    waypoint: bytes = b""


class Detours(Protocol):
    """Finds ways to nodes that have no next hop, or none with a link."""

    def way_to(self, node: bytes, home: bytes = b"", turn: int = 0) -> Detour | None:
        """Returns one, if possible to the home that a node has just shown; else None. Turns begin with others."""

    @property
    def own_home(self) -> bytes:
        """Where others reach this node that have no route to it; empty if all have one."""


class Lookups(Protocol):
    """Finds nodes of which this one has heard nothing."""

    def node_at(self, address: bytes) -> bytes | None:
        """Returns the node with an address in one of its prefixes, or that was looked up."""

    def enqueue(self, address: bytes, packet: memoryview, flags: int, segment_size: int, *, now: float) -> bool:
        """Has a packet wait while its destination is looked up; returns False if it is not."""


class WrapperHead(NamedTuple):
    """What a wrapper has of the train in it. The flow bucket is above the length."""

    hop_limit: int
    flags: int
    traffic_class: int
    bucket_and_length: int
    source: bytes


def wrap(frame: memoryview, used: int, waypoint: bytes, head: WrapperHead, home: bytes) -> int:
    """Writes the wrapper of a train, with the home of its source; returns where the train begins."""
    hop_limit, flags, traffic_class, bucket_and_length, source = head
    length = bucket_and_length + WRAPPER_BYTES - TRAIN_HEADER_BYTES
    WRAPPER.pack_into(frame, used, hop_limit, flags, RELAY, traffic_class, length, 0, 0, waypoint, source, home)
    return used + WRAPPER_BYTES
