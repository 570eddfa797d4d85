"""The mesh of `routing` fidelity: thousands of routing engines joined by modelled links.

A link carries batches of control messages reliably and in order, like the control channel of a real link. A session between
its ends begins with a handshake of 1.5 round trips and ends separately at each end, when that end notices that the link is
dead. If the link is mended before either end notices, batches that have not arrived are sent again. Otherwise they are lost.
"""

from collections import deque
from functools import partial
from random import Random
from typing import Final

from msgspec import Struct

from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Digest, Item

from .events import NEVER
from .liar import falsify
from .link import RESEND_FLOOR_S, SimLink, Wire
from .mesh import Mesh
from .run_log import CHANGE, DOWN, RECEIVE, UP, WAKE
from .signing import NETWORK_ID, Notary, address_of, address_of_key, key_of
from .sizes import batch_bytes, items_bytes

NO_SESSION: Final = 0


class RoutingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of this fidelity. Times are in seconds."""

    detection_s: float = 0.2  # from a silent cut to its detection at both ends
    detection_spread_s: float = 0.0  # added to that for each end, uniformly distributed from 0
    suspicion_s: float = 0.0  # from the cut to suspicion, less than detection_s; 0: nobody suspects
    parameters: RoutingParameters = RoutingParameters()


class End:
    """One end of a link. `pipe` holds the batches that it has sent in this session and that have not arrived."""

    __slots__ = ("direction", "generation", "link", "node", "other", "pipe", "session")

    def __init__(self, node: "SimulatedNode", link: SimLink, direction: Wire) -> None:
        self.node = node
        self.link = link
        self.direction = direction
        self.other: End = self
        self.session = NO_SESSION
        self.pipe: deque[list[Item]] = deque()
        self.generation = 0  # number that scheduled arrivals carry; those with an older one are void

    def void(self) -> None:
        """Cancels the arrival of what is in flight."""
        self.generation += 1

    def drop(self) -> None:
        """Ends the session at this end."""
        self.session = NO_SESSION
        self.pipe.clear()
        self.generation += 1


class SimulatedNode:
    """A node: its engine while it is running, and its end of each link."""

    __slots__ = ("address", "armed", "bytes_sent", "due", "ends", "engine", "home", "index", "messages_sent", "version")

    def __init__(self, index: int, address: bytes) -> None:
        self.index = index
        self.address = address
        self.engine: RoutingEngine | None = None
        self.ends: dict[bytes, End] = {}  # by the other end's address
        self.due = NEVER  # when the engine is woken
        self.armed: set[float] = set()  # when timers of this engine fire, whether they are due or not
        self.home: bytes | None = None  # when watchers last looked
        self.version = 0  # of the forwarding table when watchers last looked
        self.bytes_sent = 0
        self.messages_sent = 0


class RoutingMesh(Mesh):
    """The mesh of `routing` fidelity."""

    def __init__(self, *, seed: int, link_defaults: dict[str, float], settings: RoutingSettings) -> None:
        super().__init__(seed=seed, link_defaults=link_defaults)
        self._settings = settings
        self.scope = settings.parameters.scope
        self._notary = Notary(f"{seed}")
        self.verify = self._notary.verify  # checks signatures for the engines
        self._nodes: dict[int, SimulatedNode] = {}
        self._ends: dict[tuple[int, int], End] = {}  # by (node, other)
        self._sessions = NO_SESSION
        self._dice = self.rng("detection")

    # Nodes.

    def start(self, node: int, *, epoch: int | None = None) -> None:
        self.epochs[node] = epoch = self.next_epoch(node) if epoch is None else epoch
        simulated = self._node(node)
        key = key_of(simulated.address)
        simulated.engine = RoutingEngine(
            node=simulated.address,
            announce=lambda sequence, flags: self._notary.sign(key, sequence, flags),
            publish=partial(self._notary.publish, key),
            verify=self.verify,
            address_of=address_of_key,
            epoch=epoch,
            rng=Random(f"{self.seed}/engine/{node}/{epoch}"),
            now=self.now,
            network_id=NETWORK_ID,
            parameters=self._settings.parameters,
        )
        simulated.version, simulated.home = 0, None
        simulated.armed = set()
        self.tables[simulated.address] = simulated.engine.forwarding.next_hop
        self.log.note(CHANGE, node, -1, epoch, now=self.now)
        self._after_event(simulated)
        for end in simulated.ends.values():
            self._shake_hands(end)
        self._tell_links_changed()

    def stop(self, node: int, *, says_goodbye: bool = False) -> None:
        simulated = self._node(node)
        simulated.engine = None
        simulated.due = NEVER
        del self.tables[simulated.address]
        self.log.note(CHANGE, node, -1, 0, now=self.now)
        for end in simulated.ends.values():
            end.drop()
            end.other.void()
            self._expect_notice(end.other, is_told=says_goodbye)
        self._tell_links_changed()

    def engine(self, node: int) -> RoutingEngine | None:
        return self._nodes[node].engine

    def address(self, node: int) -> bytes:
        return self._nodes[node].address

    def is_signed(self, address: bytes, announcement: Announcement) -> bool:
        return address_of_key(announcement.signing_public_key) == address and self._notary.verify(announcement)

    def bytes_sent(self, node: int) -> int:
        return self._nodes[node].bytes_sent

    def messages_sent(self, node: int) -> int:
        return self._nodes[node].messages_sent

    def _node(self, index: int) -> SimulatedNode:
        known = self._nodes.get(index)
        if known is None:
            address = address_of(f"{self.seed}", index)
            known = self._nodes[index] = SimulatedNode(index, address)
            self.index_of[address] = index
        return known

    # Links.

    def add_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> SimLink:
        link = super().add_link(one, other, delay_s=delay_s, cost=cost)
        a, b = self._node(one), self._node(other)
        for node, neighbour in ((a, b), (b, a)):
            if neighbour.address in node.ends:
                self._forget(node.ends[neighbour.address])
        near, far = End(a, link, link.directions[one]), End(b, link, link.directions[other])
        near.other, far.other = far, near
        a.ends[b.address], b.ends[a.address] = near, far
        self._ends[one, other], self._ends[other, one] = near, far
        return link

    def remove_link(self, one: int, other: int) -> None:
        super().remove_link(one, other)
        for node, neighbour in ((one, other), (other, one)):
            end = self._ends.pop((node, neighbour))
            end.void()
            # An end counts as one until its node has noticed the removal.
            self.heap.after(self._settings.detection_s, self._forget, end)

    def cut(self, one: int, other: int, *, one_way: bool = False, is_told: bool = False) -> None:
        link = self.link(one, other)
        link.directions[one].is_open = False
        if not one_way:
            link.directions[other].is_open = False
        self.log.note(CHANGE, one, other, 0, now=self.now)
        for end in (self._ends[one, other], self._ends[other, one]):
            end.void()
            self._expect_notice(end, is_told=is_told)
        self._tell_links_changed()

    def mend(self, one: int, other: int) -> None:
        link = self.link(one, other)
        link.open()
        self.log.note(CHANGE, one, other, 1, now=self.now)
        near, far = self._ends[one, other], self._ends[other, one]
        if near.session == far.session != NO_SESSION:
            for end in (near, far):
                end.void()
                for items in end.pipe:
                    self._launch(end, items, 1.5 * link.round_trip_s + RESEND_FLOOR_S)
        else:
            self._shake_hands(near)
        self._tell_links_changed()

    def reshape(self, one: int, other: int, *, cost: int | None = None, **changes: float) -> None:
        link = self.link(one, other)
        before = {node: self.cost_of(link, node) for node in (one, other)}
        for direction in link.directions.values():
            direction.reshape(**changes)
            if cost is not None:
                direction.cost = cost
        self.log.note(CHANGE, one, other, self.cost_of(link, one), now=self.now)
        for end in (self._ends[one, other], self._ends[other, one]):
            if self.cost_of(link, end.node.index) != before[end.node.index]:
                self._tell_cost(end)

    def _tell_cost(self, end: End) -> None:
        engine = end.node.engine
        if engine is not None and end.session != NO_SESSION:
            engine.neighbour_cost(end.other.node.address, self.cost_of(end.link, end.node.index), now=self.now)
            self._after_event(end.node)

    def carries(self, node: int, hop: int) -> bool:
        end = self._ends.get((node, hop))
        return end is not None and end.direction.is_open and end.session == end.other.session != NO_SESSION

    # Sessions.

    def _shake_hands(self, end: End) -> None:
        """Begins a handshake if the link is open and both nodes are running."""
        if not end.link.is_open or end.node.engine is None or end.other.node.engine is None:
            return
        self._sessions += 1
        session = self._sessions
        message_1, message_2 = end.direction.model.delay_s, end.other.direction.model.delay_s
        self.heap.after(message_1 + message_2, self._rise, end, session, end.node.engine)
        self.heap.after(2 * message_1 + message_2, self._rise, end.other, session, end.other.node.engine)

    def _rise(self, end: End, session: int, engine: RoutingEngine) -> None:
        """Completes the handshake at one end, which voids the session before."""
        if end.node.engine is not engine or not end.link.is_open or session < max(end.session, end.other.session):
            return
        end.drop()
        end.session = session
        engine.neighbour_up(end.other.node.address, self.cost_of(end.link, end.node.index), now=self.now)
        self.log.note(UP, end.node.index, end.other.node.index, session & 0xFFFF, now=self.now)
        self._after_event(end.node)
        if end.other.session == session:
            self._tell_links_changed()

    def _expect_notice(self, end: End, *, is_told: bool) -> None:
        if end.session == NO_SESSION:
            return
        settings = self._settings
        if is_told:
            self.heap.after(end.other.direction.model.delay_s, self._fall, end, end.session, self.now)
            return
        if settings.suspicion_s:
            self.heap.after(settings.suspicion_s, self._suspect, end, end.session)
        spread = self._dice.random() * settings.detection_spread_s
        self.heap.after(settings.detection_s + spread, self._fall, end, end.session, self.now)

    def _is_working(self, end: End) -> bool:
        return end.link.is_open and end.other.session == end.session

    def _suspect(self, end: End, session: int) -> None:
        if end.session != session or end.node.engine is None or self._is_working(end):
            return
        end.node.engine.neighbour_suspect(end.other.node.address, True, now=self.now)
        self._after_event(end.node)

    def _fall(self, end: End, session: int, since: float) -> None:
        """Lets an end notice that the link is dead."""
        if end.session != session or end.node.engine is None or self._is_working(end):
            return
        end.drop()
        end.node.engine.neighbour_down(end.other.node.address, now=self.now)
        self.log.note(DOWN, end.node.index, end.other.node.index, 0, now=self.now)
        self._after_event(end.node)
        self._tell_links_changed()

    def _forget(self, end: End) -> None:
        if end.session != NO_SESSION and end.node.engine is not None:
            self._fall(end, end.session, self.now)
        if end.node.ends.get(end.other.node.address) is end:
            del end.node.ends[end.other.node.address]

    # Messages.

    def _launch(self, end: End, items: list[Item], extra_s: float = 0.0) -> None:
        arrival = end.direction.batch_arrival(items_bytes(items), end.link, now=self.heap.now + extra_s)
        self.heap.at(arrival, self._arrive, end, end.generation)

    def _arrive(self, sender: End, generation: int) -> None:
        if generation != sender.generation:
            return
        items = sender.pipe.popleft()
        receiver = sender.other
        node = receiver.node
        if receiver.session != sender.session or node.engine is None:
            return
        self.log.note(RECEIVE, node.index, sender.node.index, len(items), now=self.heap.now)
        node.engine.receive(sender.node.address, items, now=self.heap.now)
        self._after_event(node)

    def _wake(self, node: SimulatedNode, engine: RoutingEngine, due: float) -> None:
        if node.engine is not engine:
            return
        node.armed.discard(due)
        if node.due != due:
            return
        node.due = NEVER
        engine.handle_timeout(now=self.heap.now)
        self.log.note(WAKE, node.index, -1, node.version, now=self.heap.now)
        self._after_event(node)

    def _after_event(self, node: SimulatedNode) -> None:
        """Does what is owed to an engine after a call (see `sim.net.driver`): reports to watchers, sends, arms the timer."""
        engine = node.engine
        assert engine is not None
        version = engine.forwarding.version
        if version != node.version or engine.home != node.home:
            node.version, node.home = version, engine.home
            for watcher in self.watchers:
                watcher.routes_changed(node.index)
            engine.changes.clear()
        if engine.outbox:
            for address, items in engine.outbox:
                self._send(node, node.ends[address], items)
            engine.outbox.clear()
        deadline = engine.next_deadline()
        if deadline < node.due:
            node.due = deadline = max(deadline, self.heap.now)
            if deadline not in node.armed:
                node.armed.add(deadline)
                self.heap.at(deadline, self._wake, node, engine, deadline)

    def _send(self, node: SimulatedNode, end: End, items: list[Item]) -> None:
        if node.index in self.liars:
            items = falsify(self.liars[node.index], items, node.address)
        if self.kinds is not None and node.engine is not None:
            self.kinds.add(items, node.engine)
        size = items_bytes(items)
        node.bytes_sent += batch_bytes(size)
        node.messages_sent += len(items)
        if len(items) > 1 or type(items[0]) is not Digest:
            self.last_activity = self.heap.now
        end.pipe.append(items)
        if end.link.is_open:
            arrival = end.direction.batch_arrival(size, end.link, now=self.heap.now)
            self.heap.at(arrival, self._arrive, end, end.generation)
