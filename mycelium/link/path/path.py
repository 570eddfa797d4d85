"""A path: one pair of underlay addresses over which a neighbour is reached, and what is known of it."""

from mycelium.endpoint import Endpoint
from mycelium.link.keypair import LinkKeypair
from mycelium.link.path.liveness import Liveness
from mycelium.link.path.mtu import PathMtu
from mycelium.link.path.rtt import RttEstimator
from mycelium.link.repair.holes import WORTHWHILE_RTT_S
from mycelium.medium import medium_of


class Path:
    """The state of one path; `number` names it to the neighbour, `peer_number` is the neighbour's name for it."""

    __slots__ = (
        "endpoint",
        "is_validated",
        "liveness",
        "medium",
        "mtu",
        "newest",
        "number",
        "peer_number",
        "probes",
        "rtt",
        "rx_bytes",
        "session",
        "tx_bytes",
    )

    def __init__(self, number: int, endpoint: Endpoint, *, is_validated: bool, now: float) -> None:
        self.number = number
        self.peer_number = -1
        self.endpoint = endpoint
        self.is_validated = is_validated  # the neighbour has answered from there: big things may be sent to it
        self.newest = 0  # newest counter that came over it: what we echo
        self.session: LinkKeypair | None = None  # the keys that something came under last
        self.rtt = RttEstimator()
        self.medium = medium_of(endpoint.scheme)
        self.mtu = PathMtu(now=now, fixed_size=self.medium.datagram_size)
        self.liveness = Liveness(self.rtt, now=now)
        self.probes: dict[
            int, tuple[float, int]
        ] = {}  # questions on their way: token -> when it left, its datagram's length
        self.tx_bytes = 0
        self.rx_bytes = 0

    def note_arrival(self, session: LinkKeypair, counter: int) -> None:
        """Remembers the newest counter, which each frame of ours echoes. Under other keys counting begins afresh."""
        if session is not self.session:
            self.session = session
            self.newest = counter
        elif counter > self.newest:
            self.newest = counter

    @property
    def remote(self) -> Endpoint:
        """The neighbour's address, whichever of ours it is spoken to from."""
        return self.endpoint.remote

    def repair_rtt(self, now: float) -> float | None:
        """Returns the round trip that repair has to reckon with; None where it is too long for repair, or nothing gets lost.

        Queues make no path long.
        """
        if self.medium.is_reliable:
            return None
        srtt = self.rtt.srtt
        if srtt is None or (srtt > WORTHWHILE_RTT_S and self.rtt.minimum(now=now) > WORTHWHILE_RTT_S):
            return None
        return min(srtt, WORTHWHILE_RTT_S)

    @property
    def arrivals(self) -> tuple[int, int]:
        """How many frames were opened under the keys that the neighbour sends with, and the newest counter; low 32 bits.

        Frames that may still be repaired count as opened.
        """
        if self.session is None:
            return 0, 0
        opening = self.session.opening
        return opening.opened + self.session.holes.pending & 0xFFFF_FFFF, opening.newest & 0xFFFF_FFFF
