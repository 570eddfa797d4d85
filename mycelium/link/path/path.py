"""A path: one pair of underlay addresses over which a neighbour is reached, and what is known of it."""

from mycelium.endpoint import Endpoint
from mycelium.link.fold import folded_bytes, shape_of
from mycelium.link.keypair import LinkKeypair
from mycelium.link.path.liveness import Liveness
from mycelium.link.path.mtu import PathMtu, least_size
from mycelium.link.path.rtt import RttEstimator
from mycelium.link.repair.gaps import WORTHWHILE_RTT_S
from mycelium.medium import medium_of
from mycelium.wire.datagram import FRAME_HEAD

_LOW_32 = 0xFFFF_FFFF
_FRAME_HEAD_BYTES = FRAME_HEAD.size


class Path:
    """The state of one path; `number` names it to the neighbour, `peer_number` is the neighbour's name for it."""

    __slots__ = (
        "endpoint",
        "is_validated",
        "keypair",
        "liveness",
        "medium",
        "mtu",
        "newest",
        "number",
        "peer_number",
        "probes",
        "rtt",
        "rx_bytes",
        "tx_bytes",
    )

    def __init__(self, number: int, endpoint: Endpoint, *, is_narrow: bool = False, now: float) -> None:
        self.number = number
        self.peer_number = -1
        self.endpoint = endpoint
        self.is_validated = False  # the neighbour has answered from there: long frames may be sent and taken
        self.keypair: LinkKeypair | None = None  # under which the newest frame arrived
        self.newest = 0  # newest counter that arrived over it, which each frame sent acknowledges
        self.rtt = RttEstimator()
        self.medium = medium_of(endpoint.scheme)
        least = least_size(endpoint)
        self.mtu = PathMtu(fixed_size=self.medium.datagram_size, least=least, is_narrow=is_narrow, now=now)
        self.liveness = Liveness(self.rtt, now=now)
        self.probes: dict[int, tuple[float, int]] = {}  # under way: token -> time sent, datagram size or 0 for any
        self.tx_bytes = 0  # of the datagrams of frames sent; size probes are counted apart
        self.rx_bytes = 0  # of the datagrams of frames opened

    def note_arrival(self, keypair: LinkKeypair, counter: int, sealed_bytes: int) -> None:
        """Counts a frame opened, and remembers the newest counter. Under another keypair counters start again."""
        size = self.mtu.size  # the neighbour's datagrams are about as long as ours
        if sealed_bytes + _FRAME_HEAD_BYTES <= size:
            self.rx_bytes += sealed_bytes + _FRAME_HEAD_BYTES
        else:
            self.rx_bytes += folded_bytes(shape_of(sealed_bytes, size))
        if keypair is not self.keypair:
            self.keypair = keypair
            self.newest = counter
        elif counter > self.newest:
            self.newest = counter

    def repair_rtt(self, *, now: float) -> float | None:
        """Returns the round trip that repair reckons with, in seconds; None where repair is not worthwhile.

        That is where the path itself, not a queue, is too long, and where the medium loses nothing.
        """
        if self.medium.is_reliable:
            return None
        srtt = self.rtt.srtt
        if srtt is None or (srtt > WORTHWHILE_RTT_S and self.rtt.minimum(now=now) > WORTHWHILE_RTT_S):
            return None
        return min(srtt, WORTHWHILE_RTT_S)

    @property
    def arrivals(self) -> tuple[int, int]:
        """How many frames were opened under the neighbour's keypair, and the newest counter of them; low 32 bits of both.

        Frames that may still be repaired count as opened.
        """
        if self.keypair is None:
            return 0, 0
        opening = self.keypair.opening
        return opening.opened + self.keypair.gaps.pending & _LOW_32, opening.newest & _LOW_32

    def next_deadline(self) -> float:
        """Returns when its liveness or its datagram size wants a look."""
        deadline = self.liveness.next_deadline()
        return min(deadline, self.mtu.deadline) if self.can_probe_size else deadline

    @property
    def can_probe_size(self) -> bool:
        """Tells whether long probes may be sent: the neighbour has answered a short one."""
        return self.is_validated and self.rtt.srtt is not None
