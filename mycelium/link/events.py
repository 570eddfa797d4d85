"""What a link reports to its owner, in the order in which it happened.

All links of a node append their events to one queue, which the owner drains after it has called any of them.
"""

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.wire.control import Item


class LinkEvent(Struct, frozen=True):
    """Something that happened to the link of a name, which begins with the neighbour's 16-byte overlay address."""

    neighbour: bytes


class LinkUp(LinkEvent, frozen=True):
    """The neighbour answers, and the cost of the link is known (units of 10 us). The first event of every link."""

    endpoint: Endpoint
    cost: int


class LinkSuspected(LinkEvent, frozen=True):
    """The neighbour has not answered for `silent_s` seconds, or can't: prefer other neighbours."""

    cause: str  # for people
    silent_s: float


class LinkTrusted(LinkEvent, frozen=True):
    """A suspected neighbour has answered."""


class LinkDown(LinkEvent, frozen=True):
    """The link is cut, or closed by either end; what was queued for the neighbour is gone."""

    cause: str  # for people
    silent_s: float  # how long the neighbour had not answered


class LinkMoved(LinkEvent, frozen=True):
    """The neighbour is reached at another underlay address than before."""

    before: Endpoint
    after: Endpoint


class CostChanged(LinkEvent, frozen=True):
    """The link has another cost than before, in units of 10 us."""

    cost: int


class PathSlowed(LinkEvent, frozen=True):
    """The neighbour has told that frames take long to arrive, of a path that was taken for quick."""


class NeighbourReset(LinkEvent, frozen=True):
    """The neighbour has lost what it was told, or what was queued for it had to be dropped: tell it everything again."""

    cost: int


class KeysRenewed(LinkEvent, frozen=True):
    """Another handshake was completed while the link was up."""


class KeyProved(LinkEvent, frozen=True):
    """The neighbour has proved its ML-DSA key under a keypair; the link was up before that was wanted, or is not up yet."""


class ItemsReceived(LinkEvent, frozen=True):
    """Control messages of the neighbour, in the order it sent them."""

    items: list[Item]
