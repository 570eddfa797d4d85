"""What one member knows of its network: the root key, its own certificates, who was removed, and what time it is."""

from mycelium.crypto.primitives import Primitives
from mycelium.errors import NotAMember
from mycelium.identity import subnet_of
from mycelium.membership.certificates import Claims, are_signed, check_claims, check_signatures
from mycelium.wire.membership import Chain, Credentials, Removals


class Membership:
    """Judges others. The driver keeps `offset_s`, what Unix time is ahead of the clock of `now`."""

    def __init__(self, credentials: Credentials, primitives: Primitives, *, offset_s: float) -> None:
        self.root = credentials.root
        self.chain = credentials.chain
        self.offset_s = offset_s
        self._primitives = primitives
        self.removals: dict[int, Removals] = {}  # the newest version of each part
        self.removed: frozenset[bytes] = frozenset()  # /64 of all in them

    def check_claims(self, chain: Chain, address: bytes, *, now: float) -> Claims:
        """Returns what the chain of the node with an address says; raises NotAMember. No signature is verified."""
        claims = check_claims(chain, at=now + self.offset_s)
        if claims.addresses[0] != address:
            raise NotAMember("its certificate is another node's")
        self.check_not_removed(claims)
        return claims

    def check_not_removed(self, claims: Claims) -> None:
        """Raises NotAMember for who was removed, or has its certificate of one who was."""
        if self.has_removed(claims.addresses[0]):
            raise NotAMember("it was removed")
        if any(map(self.has_removed, claims.addresses)):
            raise NotAMember("the member who issued its certificate was removed")

    def check_signatures(self, chain: Chain) -> None:
        """Raises NotAMember for a chain that is not of this network."""
        check_signatures(chain, self.root, self._primitives)

    def has_removed(self, address: bytes) -> bool:
        """Tells whether a node was removed."""
        return subnet_of(address) in self.removed

    def is_newer(self, removals: Removals) -> bool:
        """Tells whether a part of the removed members claims to be newer than the one known."""
        known = self.removals.get(removals.part)
        return known is None or removals.sequence > known.sequence

    def take(self, removals: Removals) -> bool:
        """Takes a part of the removed members that is newer than the one known and signed; tells whether it is."""
        if not self.is_newer(removals) or not are_signed(removals, self.root, self._primitives):
            return False
        self.removals[removals.part] = removals
        self.removed = frozenset(subnet for one in self.removals.values() for subnet in one.subnets)
        return True
