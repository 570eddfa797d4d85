"""The routing engine: Babel (RFC 8966) over reliable streams, without I/O; it is fed decoded items and the time.

It composes the classes of this package. Received items are applied at once; outgoing items leave in short batches through
`outbox`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from random import Random
from typing import Final

from mycelium.counters import Registry
from mycelium.identity import address_of_signing_key
from mycelium.policy.base import DEFAULT_POLICY, Policy
from mycelium.routing.acquisition import Acquisition
from mycelium.routing.adjacencies import Adjacencies
from mycelium.routing.advertise import Advertiser
from mycelium.routing.announcements import AnnouncementChecker
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.duplicate import Claim
from mycelium.routing.excess import CHANGES, Excesses
from mycelium.routing.exchange import Exchange
from mycelium.routing.expiry import Expiry
from mycelium.routing.explain import Explanation, explain
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.holdings import Holdings
from mycelium.routing.landmarks import Landmarks, Publish
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.routing.origin import Origin
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.requests import Requests
from mycelium.routing.scope import Scope
from mycelium.routing.selection import RouteChange, Selection
from mycelium.routing.shares import Shares
from mycelium.routing.sizes import Sizes
from mycelium.routing.snapshot import RouteSnapshot, snapshots
from mycelium.routing.source import ForgottenSources
from mycelium.routing.table import RouteTable
from mycelium.routing.waypoints import Waypoints
from mycelium.wire.announcement import EPOCH_SHIFT, Announcement
from mycelium.wire.control import Item, Resume, Resumed, Update
from mycelium.wire.distance import INFINITY, RETRACTED, metric_of
from mycelium.wire.statement import Statement

DEFAULT_PARAMETERS: Final = RoutingParameters()
METRIC_PREFIX: Final = "routing_"
_METRIC: Final = attrgetter("metric")


class RoutingEngine:
    """One node's routing.

    `announce(sequence, flags)` returns our signed announcement, `publish` our home record, `verify` checks only a signature,
    `address_of` derives a node's address from its signing key, `keeps` tells which nodes must stay in a table that is nearly
    full, `untaken_bytes` how much a neighbour has not acknowledged. Our sequence begins with `epoch` and `counter`, of which a
    start of another host in the same second is to have another. Costs are in units of 10 us, at least 1. The driver
    drains `outbox`, (neighbour, items) in order, `changes`, which is bounded to the newest, and `excesses`.
    """

    def __init__(
        self,
        *,
        node: bytes,
        announce: Callable[[int, int], Announcement],
        publish: Publish,
        verify: Callable[[Statement], bool],
        epoch: int,
        counter: int = 0,
        rng: Random,
        now: float,
        network_id: bytes = bytes(8),
        parameters: RoutingParameters = DEFAULT_PARAMETERS,
        policy: Policy = DEFAULT_POLICY,
        address_of: Callable[[bytes], bytes] = address_of_signing_key,
        keeps: Callable[[bytes], bool] = lambda node: False,
        untaken_bytes: Callable[[bytes], int] = lambda neighbour: 0,
    ) -> None:
        self.node = node
        self.counters = RoutingCounters()
        self.excesses = Excesses()
        self._rng = rng
        self._parameters = parameters
        self._origin = Origin(announce, epoch << EPOCH_SHIFT | counter, parameters, rng, self.counters, now=now)
        self._table = RouteTable(node, self._origin.announcement, now=now)
        self._sources = ForgottenSources(parameters.memory_s)
        self._holdings = Holdings(self._table)
        self._scope = Scope(self._table, parameters.scope, keeps=keeps, is_leaf=parameters.is_leaf)
        self._advertiser = Advertiser(
            self._table, self._holdings, self._scope, parameters, rng, self.counters, untaken_bytes=untaken_bytes
        )
        self._requests = Requests(self._table, self._scope, self._advertiser, parameters, self.counters)
        self.forwarding = ForwardingTable(self._table, self.counters, allows_prefix=policy.allows_prefix)
        self.forwarding.claim(node)
        self.forwarding.assign(node, self._origin.announcement.prefixes)
        self._compose(
            AnnouncementChecker(
                verify=verify,
                address_of=address_of,
                network_id=network_id,
                excesses=self.excesses,
                counters=self.counters,
                now=now,
            ),
            publish,
            keeps=keeps,
            now=now,
        )

    def _compose(
        self, checker: AnnouncementChecker, publish: Publish, *, keeps: Callable[[bytes], bool], now: float
    ) -> None:
        """Creates the parts that handle received items and timeouts."""
        self._selection = Selection(
            self._table, self.forwarding, self._holdings, self._scope, self._advertiser, self._requests
        )
        self._expiry = Expiry(
            table=self._table,
            sources=self._sources,
            selection=self._selection,
            advertiser=self._advertiser,
            forwarding=self.forwarding,
            parameters=self._parameters,
            counters=self.counters,
            now=now,
        )
        self._acquisition = Acquisition(
            table=self._table,
            sources=self._sources,
            checker=checker,
            origin=self._origin,
            selection=self._selection,
            shares=Shares(
                table=self._table, expiry=self._expiry, excesses=self.excesses, counters=self.counters, keeps=keeps
            ),
            requests=self._requests,
            advertiser=self._advertiser,
            forwarding=self.forwarding,
            parameters=self._parameters,
            counters=self.counters,
        )
        self._compose_exchange(checker, publish, now=now)
        self._sizes = Sizes(self._table, self.forwarding, self._sources, self._scope, self._requests)

    def _compose_exchange(self, checker: AnnouncementChecker, publish: Publish, *, now: float) -> None:
        """Creates the parts that deal with neighbours, and with landmarks."""
        self.landmarks = Landmarks(
            table=self._table,
            scope=self._scope,
            selection=self._selection,
            origin=self._origin,
            advertiser=self._advertiser,
            publish=publish,
            parameters=self._parameters,
            rng=self._rng,
            now=now,
        )
        self.waypoints = Waypoints(self._table, self._scope, self._advertiser)
        self._exchange = Exchange(
            table=self._table,
            scope=self._scope,
            checker=checker,
            selection=self._selection,
            requests=self._requests,
            advertiser=self._advertiser,
            origin=self._origin,
            counters=self.counters,
        )
        self._adjacencies = Adjacencies(
            table=self._table,
            selection=self._selection,
            forwarding=self.forwarding,
            holdings=self._holdings,
            pins=self._scope.pins,
            advertiser=self._advertiser,
            exchange=self._exchange,
            excesses=self.excesses,
            parameters=self._parameters,
            rng=self._rng,
            counters=self.counters,
        )

    # -- neighbours ----------------------------------------------------------------------------------------------------

    def neighbour_up(self, neighbour: bytes, cost: int, *, now: float) -> bool:
        """Adds a neighbour with a new control stream, which voids the one before; returns False if it starts too many."""
        return self._adjacencies.up(neighbour, cost, now=now)

    def neighbour_down(self, neighbour: bytes, *, now: float) -> None:
        """Removes a neighbour with all its routes; an unknown one is ignored."""
        self._adjacencies.down(neighbour, now=now)

    def rename_neighbour(self, neighbour: bytes, name: bytes) -> None:
        """Gives a neighbour, if it is up, the name of one that is down."""
        self._adjacencies.rename(neighbour, name)

    def neighbour_cost(self, neighbour: bytes, cost: int, *, now: float) -> None:
        """Applies a newly published link cost."""
        self._adjacencies.set_cost(neighbour, cost, now=now)

    def favour_neighbour(self, neighbour: bytes, *, now: float) -> None:
        """Prefers a neighbour, until it is down, to ways over others unless they are clearly shorter."""
        self._adjacencies.favour(neighbour, now=now)

    def neighbour_suspect(self, neighbour: bytes, suspected: bool, *, now: float) -> None:
        """Stops using a neighbour without forgetting its routes, or uses it again."""
        self._adjacencies.suspect(neighbour, suspected, now=now)

    def avoid(self, node: bytes, neighbour: bytes, avoided: bool, *, now: float) -> None:
        """Counts the route of a neighbour to a node as longer, since what takes it does not arrive, or ends that."""
        row, peer = self._table.rows.get(node), self._table.by_address.get(neighbour)
        if row is not None and row is not self._table.own and peer is not None:
            self._selection.avoid(row, peer, avoided, now=now)

    def distrust(self, neighbour: bytes, distrusted: bool, *, now: float) -> None:
        """Takes all routes of a neighbour only where there are no others, or ends that."""
        self._adjacencies.distrust(neighbour, distrusted, now=now)

    # -- our own route -------------------------------------------------------------------------------------------------

    def withdraw(self, *, now: float) -> None:
        """Retracts the route to this node, so that others know at once that nothing can be delivered here."""
        self._advertiser.withdrawn = self._table.own
        self._advertiser.mark(self._table.own, now=now)

    def retire(self, *, now: float) -> None:
        """Advertises all routes as worse than any other, so that neighbours take others where there are some."""
        self._advertiser.surcharge = DAMPED_COST
        for row in self._table.rows.values():
            self._advertiser.mark(row, now=now)

    @property
    def claim(self) -> Claim | None:
        """What another host with our key is to us; None without a sign of one."""
        return self._origin.duplicates.claim

    @property
    def duplicate_heard_at(self) -> float:
        """When another host with our key last proved that it is alive."""
        return self._origin.duplicates.heard_at

    def forget_duplicate(self, *, now: float) -> None:
        """Forgets what is known of another host with our key, to find out anew whether there is one; ends `retire`."""
        if self.claim is Claim.KEEPS:
            self._origin.want_newer(now=now)
        self._origin.duplicates.forget()
        self._advertiser.surcharge = 0

    def readvertise(self, *, now: float) -> None:
        """Ends `withdraw`, with a newer sequence, for which every route is feasible again; else does nothing."""
        if self._advertiser.withdrawn is not None:
            self._advertiser.withdrawn = None
            self._advertiser.mark(self._table.own, now=now)
            self._origin.want_newer(now=now)

    # -- items and time ------------------------------------------------------------------------------------------------

    @property
    def outbox(self) -> list[tuple[bytes, list[Item]]]:
        """Items to be sent, in order; the driver takes them and clears the list."""
        return self._advertiser.outbox

    @property
    def changes(self) -> deque[RouteChange]:
        """The newest changes of next hops; the driver takes them and clears the queue."""
        return self._selection.changes

    def receive(self, neighbour: bytes, items: Sequence[Item], *, now: float) -> None:
        """Applies a neighbour's items; those of a neighbour that is not up are dropped."""
        peer = self._table.by_address.get(neighbour)
        if peer is None:
            self.counters.unknown_neighbour += 1
            return
        if peer.heard is not None:
            peer.heard.update(item.node for item in items if isinstance(item, Update))
        over_budget = self.counters.changes_over_budget
        for item in self._acquisition.take_updates(peer, items, now=now):
            if isinstance(item, Resume | Resumed):
                again = self._adjacencies.resume(peer, item, now=now)
                list(self._acquisition.take_updates(peer, again, now=now))
            else:
                self._exchange.handle(peer, item, now=now)
        self._advertiser.budget = None
        if self.counters.changes_over_budget > over_budget:
            self.excesses.note(peer.node, CHANGES, now=now)
        self._advance_sequence(now=now)
        self._adjacencies.heard(peer, now=now)

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted next; infinity for never."""
        return min(
            self._advertiser.flush_at,
            self._advertiser.lazy_at,
            self._adjacencies.due_at,
            self._selection.sweeps.due_at,
            self.landmarks.due_at,
            self._requests.next_deadline(),
            self._origin.deadline,
            self._expiry.next_deadline(),
        )

    def handle_timeout(self, *, now: float) -> None:
        """Does what is due; an early call does nothing."""
        self._advance_sequence(now=now)
        self._selection.sweeps.handle_timeout(now=now)
        self._adjacencies.handle_timeout(now=now)
        self._requests.handle_timeout(now=now)
        self._expiry.handle_timeout(now=now)
        self._selection.redraw_scope(now=now)
        self.landmarks.handle_timeout(now=now)
        self._selection.follow_pins(now=now)
        self._advertiser.handle_timeout(now=now)

    # -- read access ---------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """Our sequence, epoch << 16 | counter."""
        return self._origin.sequence

    @property
    def epoch(self) -> int:
        """Our epoch, to be persisted: the next start takes a greater one."""
        return self._origin.sequence >> EPOCH_SHIFT

    def resolve(self, node: bytes) -> Announcement | None:
        """Returns the newest verified announcement of a node, ours for ourselves, None for an unknown one."""
        row = self._table.rows.get(node)
        return None if row is None else row.announcement

    def selected_routes(self) -> list[RouteSnapshot]:
        """Returns the route in use to each reachable node, in the order of their addresses."""
        return [route for route in snapshots(self._table) if route.is_selected]

    def fallback_routes(self) -> list[RouteSnapshot]:
        """Returns all other finite routes, feasible or not, in the order of their nodes' addresses."""
        return [route for route in snapshots(self._table) if not route.is_selected]

    def explain(self, node: bytes, *, now: float) -> Explanation | None:
        """Returns why a node is reached as it is; None for this node and unknown ones."""
        return explain(self._table, self._requests, node, now=now)

    def metric(self, node: bytes) -> int:
        """Returns our metric to a node, INFINITY where there is no route."""
        return INFINITY if (row := self._table.rows.get(node)) is None else row.metric

    def metric_over(self, neighbour: bytes, node: bytes) -> int:
        """Returns our metric to a node if we used the route of a neighbour, INFINITY where it has none."""
        row, peer = self._table.rows.get(node), self._table.by_address.get(neighbour)
        if row is None or peer is None or row.routes[peer.slot] >= RETRACTED:
            return INFINITY
        return min(self._table.costs[peer.slot] + metric_of(row.routes[peer.slot]), INFINITY)

    def nodes(self) -> Iterable[bytes]:
        """Returns all known nodes, this one included."""
        return self._table.rows.keys()

    def names(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields each reachable node, this one included, and the name that it announces; those known longest first."""
        return ((row.node, row.announcement.name) for row in self._table.rows.values() if row.metric != INFINITY)

    def metrics(self) -> Iterator[tuple[bytes, int]]:
        """Yields each known node, this one included, and our metric to it: INFINITY where there is no route."""
        return zip(self._table.rows, map(_METRIC, self._table.rows.values()), strict=True)

    @property
    def home(self) -> bytes | None:
        """The landmark from which this node is reached by those that have no route to it; None while there is none."""
        return self.landmarks.home

    @property
    def is_landmark(self) -> bool:
        """Whether this node stands as a landmark."""
        return self.landmarks.is_landmark

    @property
    def choices(self) -> int:
        """How often a next hop or a metric has changed."""
        return self._selection.choices

    def link_costs(self) -> dict[bytes, int]:
        """Returns the present cost of each neighbour, INFINITY while it is suspected."""
        return {address: self._table.costs[peer.slot] for address, peer in self._table.by_address.items()}

    def sizes(self) -> dict[str, int]:
        """Returns the number of entries of each table, by name."""
        return self._sizes.read()

    def register(self, metrics: Registry) -> None:
        """Adds the counters and the sizes of the tables to a registry."""
        metrics.add(self.counters, prefix=METRIC_PREFIX)
        self._sizes.register(metrics, prefix=METRIC_PREFIX)

    def _advance_sequence(self, *, now: float) -> None:
        if now >= self._origin.deadline:
            self._origin.advance(now=now)
            # Direct neighbours get it at once, or their routes to us would have an older sequence than others (RFC 8966 3.7.2).
            self._table.own.learn(self._origin.announcement, now=now)
            self._selection.learned(self._table.own, now=now)
            self._advertiser.mark(self._table.own, now=now)
