"""What one member knows of its network: the root key, its own certificates, who was removed, and what time it is."""

from mycelium.errors import NotAMember
from mycelium.identity import subnet_of
from mycelium.membership.certificates import are_signed, check_chain
from mycelium.wire.membership import Chain, Removals


class Membership:
    """Judges others. The driver keeps `offset_s`, what Unix time is ahead of the clock of `now`."""

    def __init__(self, root: bytes, chain: Chain, *, offset_s: float) -> None:
        self.root = root
        self.chain = chain
        self.offset_s = offset_s
        self.removals: dict[int, Removals] = {}  # the newest version of each part
        self.removed: frozenset[bytes] = frozenset()  # /64 of all in them

    def check(self, chain: Chain, address: bytes, *, now: float) -> float:
        """Returns until when, by the clock of `now`, the node with an address is a member; raises NotAMember."""
        addresses, until = check_chain(chain, self.root, at=now + self.offset_s)
        if addresses[0] != address:
            raise NotAMember("its certificate is another node's")
        if self.has_removed(address):
            raise NotAMember("it was removed")
        if any(map(self.has_removed, addresses)):
            raise NotAMember("the member who issued its certificate was removed")
        return until - self.offset_s

    def has_removed(self, address: bytes) -> bool:
        """Tells whether a node was removed."""
        return subnet_of(address) in self.removed

    def is_newer(self, removals: Removals) -> bool:
        """Tells whether a part of the removed members claims to be newer than the one known."""
        known = self.removals.get(removals.part)
        return known is None or removals.sequence > known.sequence

    def take(self, removals: Removals) -> bool:
        """Takes a part of the removed members that is newer than the one known and signed; tells whether it is."""
        if not self.is_newer(removals) or not are_signed(removals, self.root):
            return False
        self.removals[removals.part] = removals
        self.removed = frozenset(subnet for one in self.removals.values() for subnet in one.subnets)
        return True
