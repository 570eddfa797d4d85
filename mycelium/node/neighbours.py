"""The links of a node: made of handshakes, followed for routing, looked after, given up.

Routing hears of a neighbour when its link is up, suspected or down, and of nothing else that happens to a link.
"""

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint, Lost
from mycelium.identity import Identity
from mycelium.limits import LINKS
from mycelium.link.handshakes import Completed, Handshakes
from mycelium.link.link import Link, LinkState
from mycelium.link.reassembly import PartialBudget
from mycelium.link.repair.repair import REPAIR_COUNTERS, RepairBudgets
from mycelium.node.journal import Journal
from mycelium.outbox import LinkDown, LinkUp, Outbox, ResolvePeer
from mycelium.peering.configured import Peers
from mycelium.policy import Policy
from mycelium.routing.engine import RoutingEngine

LINK_COUNTERS: Final = dict.fromkeys(
    ("frames_malformed", "frames_not_opened", "frames_incomplete", "chunks_refused", *REPAIR_COUNTERS), 0
)
DEAD_LINK_KEPT_S: Final = 60.0
ENDED_LINK_KEPT_S: Final = 6.0


class Neighbours:
    """Every link, by the neighbour's overlay address and by the indices that neighbours send to."""

    def __init__(
        self,
        identity: Identity,
        *,
        peers: Peers,
        handshakes: Handshakes,
        routing: RoutingEngine,
        journal: Journal,
        policy: Policy,
        outbox: Outbox,
        entropy: Callable[[int], bytes],
    ) -> None:
        self.links: dict[bytes, Link] = {}  # by neighbour
        self.by_index: dict[int, Link] = {}  # by our index, what the first bytes of a datagram name
        self.refused = 0  # authentic neighbours beyond LINKS
        self.denied = 0  # handshakes with neighbours that the policy keeps out
        self._own_exchange_key = identity.exchange_public_key
        self._peers = peers
        self._handshakes = handshakes
        self._routing = routing
        self._journal = journal
        self._policy = policy
        self._outbox = outbox
        self._entropy = entropy
        self._partial_budget = PartialBudget()
        self._repair_budgets = RepairBudgets()
        self._ended = Counter(LINK_COUNTERS)
        self._stream = int.from_bytes(entropy(4), "big") >> 1

    def adopt(self, completed: Completed, now: float) -> None:
        """A handshake is done: a new neighbour, or new keys or a new path for a known one."""
        address = completed.keys.peer_address
        if not self._policy.allows_neighbour(address):
            self.denied += 1
            return
        link = self.links.get(address)
        if link is not None:
            link.adopt(completed, now=now)
            if link.reported is not LinkState.DOWN:
                self._journal.link_keys(address, now=now)
        elif len(self.links) >= LINKS and not completed.purpose:  # strangers can't keep out whom the operator named
            self.refused += 1
            return
        else:
            link = self.links[address] = Link(
                completed,
                own_exchange_key=self._own_exchange_key,
                outbox=self._outbox,
                partial_budget=self._partial_budget,
                repair_budgets=self._repair_budgets,
                new_stream=self._new_stream,
                entropy=self._entropy,
                now=now,
            )
            link.probe_all(now=now)
        self.by_index[completed.keys.local_index] = link
        if completed.purpose:
            self._peers.connected(completed.purpose, address, now=now)
        self.follow(link, now)

    def follow(self, link: Link, now: float, *, cause: str = "silent") -> None:
        """Tells routing what has become of a neighbour, and hands it what the neighbour said."""
        state = link.state
        routing, address = self._routing, link.address
        if state is LinkState.DOWN:
            if link.reported is not LinkState.DOWN:
                link.reported = state
                link.went_down(now=now)
                if link.closed_by_peer:
                    self._handshakes.abandon_again(link.paths)
                routing.neighbour_down(address, now=now)
                self._peers.disconnected(address, now=now)
                self._note_down(link, "closed" if link.closed_by_peer else cause, now)
                self.dial_due(now)
        else:
            self._follow_live(link, state, now)
        link.items.clear()
        self.pass_on(now)

    def _follow_live(self, link: Link, state: LinkState, now: float) -> None:
        routing, address = self._routing, link.address
        assert link.cost is not None
        if link.reported is LinkState.DOWN or link.peer_restarted:
            if link.reported is LinkState.DOWN:
                self._outbox.events.append(LinkUp(address, link.active.endpoint))
                self._journal.link_up(address, link.active.endpoint, now=now)
                self._peers.returned(address, {path.remote for path in link.paths.values()}, now=now)
            else:
                self._journal.link_restarted(address, now=now)
            link.peer_restarted = False
            link.reported = LinkState.UP
            routing.neighbour_up(address, link.cost, now=now)
        elif link.cost_changed:
            routing.neighbour_cost(address, link.cost, now=now)
        link.cost_changed = False
        if (state is LinkState.SUSPECT) is not (link.reported is LinkState.SUSPECT):
            routing.neighbour_suspect(address, state is LinkState.SUSPECT, now=now)
            if state is LinkState.SUSPECT:
                self._journal.link_suspect(address, _elapsed(link.silent_since(), now), now=now)
            else:
                self._journal.link_trusted(address, now=now)
        link.reported = state
        self._journal.link_at(address, link.active.endpoint, now=now)
        if link.items:
            routing.receive(address, link.items, now=now)

    def pass_on(self, now: float) -> None:
        """Sends what routing has decided to say."""
        if not self._routing.outbox:
            return
        for neighbour, items in self._routing.outbox:
            link = self.links.get(neighbour)
            if link is not None and link.reported is not LinkState.DOWN:
                link.send_items(items, now=now)
        self._routing.outbox.clear()

    def remove(self, link: Link, reason: str, now: float) -> None:
        """Forgets a link and gives back what it holds."""
        if link.reported is not LinkState.DOWN:
            self._routing.neighbour_down(link.address, now=now)
            self._note_down(link, reason, now)
        self._peers.disconnected(link.address, now=now)
        del self.links[link.address]
        link.drop_all()
        self._ended.update(link.counters())
        self._forget_indices()
        self.pass_on(now)

    def keep_house(self, now: float) -> None:
        """Knocks at the dead, forgets the long dead, has keys renewed; to be called every second."""
        for link in list(self.links.values()):
            link.sweep(now=now)
            if link.state is LinkState.DOWN:
                if now - link.last_heard > (ENDED_LINK_KEPT_S if link.is_over else DEAD_LINK_KEPT_S):
                    self.remove(link, "silent for long", now)
                elif link.take_redial(now):
                    self.dial_again(link, link.active.remote, now)
            elif link.wants_new_keys(now):
                self.dial_again(link, link.active.endpoint, now)
        self._forget_indices()

    def _forget_indices(self) -> None:
        self.by_index = {index: link for index, link in self.by_index.items() if link.holds(index)}

    def dial_again(self, link: Link, endpoint: Endpoint, now: float) -> None:
        """Begins a handshake for new keys with a known neighbour, unless one is under way."""
        if not self._handshakes.is_under_way(endpoint):
            self._handshakes.begin(endpoint, pin=link.exchange_key, purpose="", now=now)

    def dial_due(self, now: float) -> None:
        """Asks for the addresses of the peers whose turn it is."""
        for peer in self._peers.take_due(now=now):
            self._outbox.events.append(ResolvePeer(peer.url))

    def host_lost(self, lost: Lost, *, now: float) -> None:
        """An interface, an address or a way of this host is gone: paths over it are dead at once, all others are asked."""
        for link in list(self.links.values()):
            link.cut(lost, now=now)
            self.follow(link, now, cause="this host lost the way")

    def silent_since(self, neighbour: bytes) -> float:
        """Since when a neighbour that is not used any more had not answered; infinity where it is used or is not known."""
        link = self.links.get(neighbour)
        return inf if link is None or link.reported is LinkState.UP else link.silent_since()

    def counters(self) -> Counter[str]:
        """What was dropped and repaired on all links, those that have ended included."""
        counters = self._ended.copy()
        for link in self.links.values():
            counters.update(link.counters())
        return counters

    def _note_down(self, link: Link, cause: str, now: float) -> None:
        self._outbox.events.append(LinkDown(link.address, cause))
        self._journal.link_down(link.address, cause, _elapsed(link.silent_since(), now), now=now)

    def _new_stream(self) -> int:
        """Numbers of control streams grow over all links, and start by chance, so that none is taken for the last process's."""
        self._stream += 1
        return self._stream


def _elapsed(since: float, now: float) -> float:
    """Returns the time since then, 0 where that is yet to come."""
    return max(0.0, now - since)
