"""The directory: where nodes are at home to which this node has no route, as it has looked up.

A lookup asks the landmarks to which the record of an address is handed, the nearest first, then all others, a few at a time:
each knows the nodes that are at home there. The first valid record counts. Where nobody answers behind it, the newest counts
that one of its own homes has confirmed, or of those that all landmarks have. Lookups of one address are ever farther apart, so
that neither errors, which a home may make up, nor silence have this node ask on and on.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Final

from msgspec import Struct

from mycelium.channel.byte_budget import ByteBudget
from mycelium.errors import DecodeError, IdentityError
from mycelium.identity import address_of_signing_key, subnet_of
from mycelium.limits import (
    HOMES_KNOWN,
    LOOKUP_MESSAGES_PER_SECOND,
    LOOKUP_QUEUE_BYTES,
    LOOKUPS_ANSWERED,
    LOOKUPS_PER_SECOND,
    LOOKUPS_SPACED,
    LOOKUPS_WAITING,
    NEIGHBOURS,
)
from mycelium.node.counters import DirectoryCounters
from mycelium.node.home_registry import HomeRegistry, replicas_of
from mycelium.node.query import Query
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.excess import LOOKUPS, NamedShare
from mycelium.routing.resolution import PENDING, Pending, Resolution
from mycelium.session.queue import PacketQueue, QueuedPacket
from mycelium.session.requests import TrainSender
from mycelium.timing import Backoff, LastUsed, TokenBucket
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.lookup import NONCE_BYTES, decode_answer, decode_lookup, encode_answer, encode_lookup
from mycelium.wire.statement import Statement
from mycelium.wire.train import ANSWER, LOOKUP

FRESH_S: Final = 1_800.0  # a record is looked up again after this
AGAIN_S: Final = 0.5  # between two lookups of an address; doubles until a newer record is found,
AGAIN_CEILING_S: Final = 10.0  # up to this
CHECK_S: Final = 600.0  # between two lookups of this node itself
SETTLED_S: Final = 60.0  # until a new home has handed over the record of this node


class Home(Struct, frozen=True):
    """Where a node is at home, and its key."""

    node: bytes
    record: HomeRecord


class _Spacing:
    """When an address may be looked up again."""

    __slots__ = ("_backoff", "_began_at", "_wait_s")

    def __init__(self) -> None:
        self._backoff = Backoff(AGAIN_S, factor=2.0, ceiling=AGAIN_CEILING_S)
        self._began_at = -inf
        self._wait_s = 0.0

    def may_begin(self, *, now: float) -> bool:
        """Tells whether a lookup may begin, which then puts off the next one."""
        since_s = now - self._began_at
        if since_s < self._wait_s:
            return False
        if since_s >= self._wait_s + AGAIN_CEILING_S:
            self._backoff.reset()
        self._began_at, self._wait_s = now, self._backoff.next()
        return True

    def reset(self) -> None:
        """Lets the next lookup begin soon, as what was wanted is known; not at once, as a node may move on and on."""
        self._backoff.reset()
        self._wait_s = self._backoff.next()


class Directory:
    """The records that one node has looked up, and its lookups. `arm` sets when `handle_timeout` is due."""

    def __init__(
        self,
        routing: RoutingEngine,
        registry: HomeRegistry,
        *,
        verify: Callable[[Statement], bool],
        network_id: bytes,
        entropy: Callable[[int], bytes],
        send: TrainSender,
        arm: Callable[[float], None],
        counters: DirectoryCounters,
        now: float,
    ) -> None:
        self._routing = routing
        self._next_hop = routing.forwarding.next_hop
        self._registry = registry
        self._verify = verify
        self._network_id = network_id
        self._entropy = entropy
        self._send = send
        self._arm = arm
        self._counters = counters
        self._by_node: OrderedDict[bytes, Home] = OrderedDict()  # that used longest ago first
        self._node_at: dict[bytes, bytes] = {}  # by /64
        self._fresh_until: dict[bytes, float] = {}  # by node
        self._doubted: set[bytes] = set()  # nodes that did not answer where they are said to be at home
        self._spacing = LastUsed[bytes, _Spacing](lambda now: _Spacing(), keys=LOOKUPS_SPACED)  # by /64
        self._by_subnet: dict[bytes, Query] = {}
        self._by_nonce: dict[bytes, Query] = {}
        self._budget = ByteBudget(LOOKUP_QUEUE_BYTES)
        self._beginning = TokenBucket(LOOKUPS_PER_SECOND, now=now)
        self._asking = TokenBucket(LOOKUP_MESSAGES_PER_SECOND, now=now)
        self._answering = NamedShare(routing.excesses, LOOKUPS, LOOKUPS_ANSWERED, keys=NEIGHBOURS, now=now)
        # this node's own record, and when to look for it
        self._published: tuple[HomeRecord | None, float] = (None, inf)
        self.found: list[QueuedPacket] = []  # packets whose destination is known now; drained by the owner
        self.failed: list[QueuedPacket] = []  # packets whose destination is unknown; drained by the owner

    def __len__(self) -> int:
        return len(self._by_node)

    def nodes(self) -> Iterable[bytes]:
        """Returns the nodes that were looked up."""
        return self._by_node.keys()

    @property
    def lookups(self) -> int:
        """How many lookups are under way."""
        return len(self._by_nonce)

    # -- what is known -------------------------------------------------------------------------------------------------

    def home_of(self, node: bytes) -> Home | None:
        """Returns where a node is at home if that is known, in doubt or not; looks nothing up."""
        return self._by_node.get(node)

    def node_at(self, address: bytes) -> bytes | None:
        """Returns the node with an address in one of its prefixes, or that was looked up."""
        return self._routing.forwarding.owner_of(address) or self._node_at.get(subnet_of(address))

    def known(self, node: bytes) -> Resolution:
        """Returns what has the key of a node, None for an unknown one; looks nothing up."""
        home = self._by_node.get(node)
        return self._routing.resolve(node) or (None if home is None else home.record)

    def key_of(self, node: bytes, *, now: float) -> Resolution:
        """Returns what has the key of a node; one that is reached by its home alone is looked up, unless that is known."""
        announcement = self._routing.resolve(node)
        if node in self._next_hop or not self._has_landmarks():
            return announcement
        found = self.resolve(node, now=now)
        if isinstance(found, Home) and found.node == node:
            return found.record
        return PENDING if found is PENDING else self.known(node)

    def resolve(self, address: bytes, *, now: float) -> Home | Pending | None:
        """Returns the node with an address, PENDING while it is looked up, None if there is none."""
        subnet = subnet_of(address)
        home = self._home_at(subnet, now=now)
        if home is not None:
            self._by_node.move_to_end(home.node)
            return home
        if subnet in self._by_subnet or self._begin(subnet, now=now):
            return PENDING
        return self._home_at(subnet, now=now)

    def enqueue(self, address: bytes, packet: memoryview, flags: int, segment_size: int, *, now: float) -> bool:
        """Has a packet wait while its destination is looked up; returns False if that is unknown, or out of reach."""
        if self._home_at(subnet_of(address), now=now) is not None:
            return False
        found = self.resolve(address, now=now)
        if found is not PENDING:
            if found is not None:  # this landmark has the record itself
                self.found.append(QueuedPacket(bytes(packet), flags, segment_size))
                self._arm(now)
            return found is not None
        if not self._by_subnet[subnet_of(address)].queue.append(packet, flags, segment_size):
            self._counters.lookup_packets_dropped += 1
        return True

    def doubt(self, node: bytes) -> None:
        """Notes that a node does not answer where its record says that it is at home."""
        if node in self._by_node and node not in self._next_hop:
            self._doubted.add(node)

    def renew(self, node: bytes, *, now: float) -> None:
        """Looks a node up again that does not answer where it seems to be at home, unless that has just been done."""
        if node not in self._next_hop:
            self.doubt(node)
            self.resolve(node, now=now)

    def told(self, node: bytes, home: bytes) -> None:
        """Notes that a train, which anybody may have made, names another home of its source than the record of that node."""
        known = self._by_node.get(node)
        if known is not None and home not in known.record.homes:
            self.doubt(node)

    def _home_at(self, subnet: bytes, *, now: float) -> Home | None:
        """Returns the node with a /64, if its record is fresh and one of its homes has a route."""
        home = self._by_node.get(self._node_at.get(subnet, b""))
        if home is None or home.node in self._doubted or now >= self._fresh_until[home.node]:
            return None
        return home if any(one in self._next_hop for one in home.record.homes) else None

    def _has_landmarks(self) -> bool:
        return next(self._routing.landmarks.reached(), None) is not None

    # -- lookups -------------------------------------------------------------------------------------------------------

    def _begin(self, subnet: bytes, *, now: float) -> bool:
        """Starts a lookup; returns False if it is answered at once, or there is none."""
        if subnet == subnet_of(self._routing.node):
            return False
        known = self._by_node.get(self._node_at.get(subnet, b""))
        is_thorough = known is not None and now < self._fresh_until[known.node]  # doubted, or without a route to a home
        records = [one for one in self._registry.of(subnet) if not is_thorough or self._is_news(one)]
        if records:
            for record in records:
                self._store(self._node_of(record), record, now=now)
            return False
        if next(self._others(), None) is None or not self._spacing.of(subnet, now=now).may_begin(now=now):
            return False
        if len(self._by_subnet) >= LOOKUPS_WAITING or not self._beginning.take(now=now):
            self._counters.lookups_refused += 1
            return False
        self._by_subnet[subnet] = query = self._query(subnet, self._metrics(), is_thorough=is_thorough)
        self._counters.lookups += 1
        self._ask(query, now=now)
        return subnet in self._by_subnet

    def _others(self) -> Iterator[tuple[int, bytes]]:
        """Yields the metric and the node of each landmark that can be asked."""
        return (one for one in self._routing.landmarks.reached() if one[1] != self._routing.node)

    def _metrics(self) -> dict[bytes, int]:
        return {node: metric for metric, node in self._others()}

    def _query(self, subnet: bytes, metrics: dict[bytes, int], *, is_thorough: bool) -> Query:
        nonce = self._entropy(NONCE_BYTES)
        query = Query(subnet, nonce, PacketQueue(self._budget), metrics, replicas_of(subnet, metrics), is_thorough)
        self._by_nonce[nonce] = query
        return query

    def _ask(self, query: Query, *, now: float) -> None:
        """Asks the next landmarks; ends a lookup that all have been asked for."""
        batch = query.next_batch()
        if not batch:
            self._end(query, now=now)
            return
        if not self._asking.take(len(batch), now=now):
            query.put_back(batch)
            query.next_at = now + query.wait_s(batch)
        else:
            body = encode_lookup(query.subnet, query.nonce)
            for landmark in batch:
                self._send(landmark, LOOKUP, 0, 0, body, now=now)
            query.asked(batch, now=now)
        self._arm(query.next_at)

    def handle_timeout(self, *, now: float) -> None:
        """Asks further landmarks where no answer came."""
        for query in list(self._by_nonce.values()):
            if now >= query.next_at:
                self._ask(query, now=now)
            else:
                self._arm(query.next_at)

    def take_answer(self, landmark: bytes, body: memoryview, *, neighbour: bytes, home: bytes, now: float) -> None:
        """Takes the answer of a landmark that was asked; anything else is ignored."""
        try:
            nonce, records = decode_answer(bytes(body))
        except DecodeError:
            self._counters.answers_refused += 1
            return
        query = self._by_nonce.get(nonce)
        if query is None or landmark not in query.unanswered:
            self._counters.answers_refused += 1
            return
        query.unanswered.discard(landmark)
        for record in records:
            node = self._node_of(record)
            if subnet_of(node) == query.subnet and self._is_valid(record):
                query.take(node, record, landmark)
            else:
                self._counters.answers_refused += 1
        if query.is_answered:
            self._end(query, now=now)
        elif not query.unanswered:
            self._ask(query, now=now)

    def _node_of(self, record: HomeRecord) -> bytes:
        try:
            return address_of_signing_key(record.signing_public_key)
        except IdentityError:
            return b""

    def _is_news(self, record: HomeRecord) -> bool:
        known = self._by_node.get(self._node_of(record))
        return record.is_newer_than(None if known is None else known.record)

    def _is_valid(self, record: HomeRecord) -> bool:
        return record.network_id == self._network_id and self._verify(record)

    def _end(self, query: Query, *, now: float) -> None:
        del self._by_nonce[query.nonce]
        if self._by_subnet.get(query.subnet) is not query:  # it was for this node itself
            self._look_at_own(query, now=now)
            return
        del self._by_subnet[query.subnet]
        for node, record in query.best.items():
            self._store(node, record, now=now)
        if query.best:
            self.found += query.queue.take_all()
        else:
            self._counters.lookups_failed += 1
            known = self._node_at.get(query.subnet)
            if known is not None and not query.unanswered:  # silence says nothing
                self._forget(known)
            self.failed += query.queue.take_all()

    def _store(self, node: bytes, record: HomeRecord, *, now: float) -> None:
        known = self._by_node.get(node)
        if known is None or record.is_newer_than(known.record):
            self._by_node[node] = Home(node, record)
            self._spacing.of(subnet_of(node), now=now).reset()
        self._by_node.move_to_end(node)
        self._node_at.setdefault(subnet_of(node), node)
        self._fresh_until[node] = now + FRESH_S
        self._doubted.discard(node)
        if len(self._by_node) > HOMES_KNOWN:
            self._forget(next(iter(self._by_node)))

    def _forget(self, node: bytes) -> None:
        del self._by_node[node], self._fresh_until[node]
        self._doubted.discard(node)
        if self._node_at.get(subnet_of(node)) == node:
            del self._node_at[subnet_of(node)]

    # -- for others, and for this node itself --------------------------------------------------------------------------

    def take_lookup(self, source: bytes, body: memoryview, *, neighbour: bytes, home: bytes, now: float) -> None:
        """Answers as a landmark, towards the home that the source has named; `neighbour` forwarded the lookup."""
        try:
            subnet, nonce = decode_lookup(bytes(body))
        except DecodeError:
            self._counters.lookups_unanswered += 1
            return
        if not self._routing.is_landmark or not self._answering.take(neighbour, now=now):
            self._counters.lookups_unanswered += 1
            return
        self._counters.lookups_answered += 1
        self._send(source, ANSWER, 0, 0, encode_answer(nonce, self._registry.of(subnet)), home=home, now=now)

    def look(self, *, now: float) -> None:
        """Looks, every now and then, whether this node itself is found by others; to be called each second."""
        record = self._routing.landmarks.record if self._routing.home is not None else None
        if record is not self._published[0]:
            self._published = record, now + SETTLED_S if record is not None else inf
        elif now >= self._published[1]:
            self._published = record, now + CHECK_S
            metrics = self._metrics()
            replicas = {node: metrics[node] for node in replicas_of(subnet_of(self._routing.node), metrics)}
            query = self._query(subnet_of(self._routing.node), replicas, is_thorough=False)
            self._ask(query, now=now)

    def _look_at_own(self, query: Query, *, now: float) -> None:
        """Leaves a home that has kept this node's record to itself, or passes on nothing to this node."""
        record = self._published[0]
        found = query.best.get(self._routing.node)
        if record is not None and (found is None or record.is_newer_than(found)):
            self._counters.homes_left += 1
            self._routing.landmarks.avoid(now=now)
