"""The shortcuts of a node: what they need of its routes, keys, sessions and links, and the journal that tells of them."""

from collections.abc import Callable

from mycelium.dataplane.receiving import Receiving
from mycelium.dataplane.sending import Sending
from mycelium.identity import exchange_key_of_signing_key
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.node.leasing import FailureHandler
from mycelium.node.neighbours import Neighbours
from mycelium.peering.dialler import Dialler
from mycelium.peering.outside import Outside
from mycelium.peering.shortcuts import ShortcutClosed, ShortcutFailed, ShortcutOpened, Shortcuts
from mycelium.policy.base import Policy
from mycelium.routing.engine import RoutingEngine
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.wire.announcement import Announcement
from mycelium.wire.train import ITEM_SIGNAL


class MeshShortcuts:
    """Ties `peering.shortcuts` to the rest of a node, as its `ShortcutMesh`."""

    def __init__(
        self,
        own_address: bytes,
        *,
        routing: RoutingEngine,
        sessions: Sessions,
        sending: Sending,
        receiving: Receiving,
        neighbours: Neighbours,
        outside: Outside,
        dialler: Dialler,
        journal: Journal,
        policy: Policy,
        entropy: Callable[[int], bytes],
        arm: Callable[[], None],
        now: float,
    ) -> None:
        self._shortcuts = Shortcuts(
            own_address,
            self,
            outside=outside,
            dialler=dialler,
            links=neighbours.links,
            sessions=sessions,
            policy=policy,
            entropy=entropy,
            now=now,
        )
        self.counters = self._shortcuts.counters
        self.network_changed = self._shortcuts.network_changed
        self.on_failure: FailureHandler = _nothing_more  # told of peers that this node can't reach directly
        self._routing = routing
        self._receiving = receiving
        self._sessions = sessions
        self._sending = sending
        self._neighbours = neighbours
        self._journal = journal
        self._arm = arm  # called when there may be an earlier deadline

    def start(self, *, now: float) -> None:
        """Begins to look at traffic, and to answer other nodes."""
        self._receiving.item_handlers[ITEM_SIGNAL] = self._take_signal
        self._receiving.order.arm = self._arm
        self._shortcuts.start(now=now)

    def _take_signal(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        self._shortcuts.receive(session, body, now=now)
        self._arm()

    def key_of(self, peer: bytes) -> bytes | None:
        """Returns the X25519 key of a node; None for an unknown one."""
        announcement = self._routing.resolve(peer)
        if not isinstance(announcement, Announcement):
            return None
        return exchange_key_of_signing_key(announcement.signing_public_key)

    def is_wanted(self, peer: bytes) -> bool:
        """Tells whether a link with a node would be of use: there is a session with it, whose packets pass relays."""
        return peer in self._sessions.by_peer and self.next_hop(peer) not in (None, peer)

    def delay_over(self, relay: bytes, peer: bytes) -> int:
        """Returns the metric of the way to a node over a neighbour."""
        return self._routing.metric_over(relay, peer)

    def adopt(self, peer: bytes, *, now: float) -> None:
        """Prefers a link to relays, and closes it once nothing needs it, as it does with shortcuts."""
        self._routing.favour_neighbour(peer, now=now)
        self._shortcuts.adopt(peer, now=now)

    def next_hop(self, peer: bytes) -> bytes | None:
        """Returns the neighbour that packets for a node go to; None without a route."""
        return self._routing.forwarding.next_hop.get(peer)

    def is_kept(self, peer: bytes) -> bool:
        """Tells whether the link with a neighbour is there for another reason too, such as the peer list."""
        return self._neighbours.is_kept(peer)

    def send_signal(self, session: Session, content: bytes, *, now: float) -> None:
        """Sends the content of a signal to the peer of a session."""
        self._sending.send_item(session, ITEM_SIGNAL, content, now=now)

    def expect_directly(self, peer: bytes, *, wait_s: float, now: float) -> None:
        """Keeps in order what a peer sends while it changes to a direct link: relays take `wait_s` longer at most."""
        self._receiving.order.watch(peer, wait_s=wait_s, now=now)

    def close(self, peer: bytes, cause: str, *, now: float) -> None:
        """Closes the link with a neighbour."""
        self._neighbours.close(self._neighbours.links[peer], cause, now=now)

    @property
    def peers(self) -> list[bytes]:
        """The neighbours that are linked by a shortcut."""
        return list(self._shortcuts.peers)

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next."""
        return min(self._shortcuts.next_deadline(), self._receiving.order.next_deadline())

    def handle_timeout(self, *, now: float) -> None:
        """Goes on with attempts, looks at traffic, and writes into the journal what became of it."""
        self._receiving.order.handle_timeout(now=now)
        self._shortcuts.handle_timeout(now=now)
        for one in self._shortcuts.news:
            match one:
                case ShortcutOpened():
                    self._journal.note(EventKind.SHORTCUT_OPENED, node=one.peer, now=now)
                case ShortcutFailed():
                    self._journal.note(EventKind.SHORTCUT_FAILED, node=one.peer, cause=one.cause, now=now)
                    self.on_failure(one, now=now)
                case ShortcutClosed():
                    self._journal.note(EventKind.SHORTCUT_CLOSED, node=one.peer, cause=one.cause, now=now)
        self._shortcuts.news.clear()


def _nothing_more(failed: ShortcutFailed, *, now: float) -> None:
    """Leaves it at the relays."""
