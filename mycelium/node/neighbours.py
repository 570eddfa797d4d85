"""The links of a node: created from completed handshakes, reported to routing, rekeyed, redialled, removed.

Links report by events: `handle_events` tells routing, the journal and the peer list of each, in the order they happened.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from random import Random
from typing import Final

from mycelium.endpoint import Endpoint, Lost
from mycelium.limits import LINKS
from mycelium.link.causes import DECLINED, DENIED_HERE, NOTHING_AFTER
from mycelium.link.events import ItemsReceived, LinkDown, LinkEvent, LinkMoved, LinkSuspected, LinkUp, PathSlowed
from mycelium.link.handshakes import Completed
from mycelium.link.link import Link, LinkState
from mycelium.link.path.liveness import PathState
from mycelium.node.admission import LinkAdmission
from mycelium.node.counters import NodeCounters
from mycelium.node.duplicates import SHARED, Duplicates, Reaction
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.node.leasing import Leasing
from mycelium.node.link_indices import LinkIndices
from mycelium.node.link_maker import LinkMaker
from mycelium.node.peering import Peering
from mycelium.node.second_links import SecondLinks, is_second, tell_routing
from mycelium.node.super_packets import SuperPackets
from mycelium.outbox import Outbox, ResolvePeer
from mycelium.peering.configured import ConfiguredPeer
from mycelium.peering.dialler import Candidate, Source
from mycelium.peering.outside import address_to_tell
from mycelium.peering.redials import Redials
from mycelium.policy.base import Policy
from mycelium.routing.engine import RoutingEngine
from mycelium.timing import Deadlines
from mycelium.wire.control import Item, ItemEncoder, Observed, Update
from mycelium.wire.frame import CLOSE_LEAVING
from mycelium.wire.lease import LeaseAnswer, LeaseRequest

DEAD_LINK_KEPT_S: Final = 60.0  # how long a dead link is kept, while it is redialled
ENDED_LINK_KEPT_S: Final = 6.0  # how long a link is kept that the neighbour has closed, or that never came up


class Neighbours:
    """Every link, by the neighbour's overlay address and by the indices that neighbours send to."""

    def __init__(
        self,
        *,
        peering: Peering,
        leasing: Leasing,
        routing: RoutingEngine,
        journal: Journal,
        policy: Policy,
        counters: NodeCounters,
        outbox: Outbox,
        deadlines: Deadlines[bytes | str],
        entropy: Callable[[int], bytes],
        rng: Random,
    ) -> None:
        self.links = peering.links  # by neighbour
        self._maker = LinkMaker(peering, routing.excesses, outbox=outbox, deadlines=deadlines, entropy=entropy)
        self.indices = LinkIndices(outbox, self._maker.budgets.slowed)
        self.by_index = self.indices.links
        self.events = self._maker.events  # of all links, to be handled
        self.link_counters = self._maker.counters
        self._counters = counters
        self._leasing = leasing
        self.peering = peering
        self._peers = peering.peers
        self._discovery = peering.discovery
        self._exchange = peering.exchange
        self._dialler = peering.dialler
        self._outside = peering.outside
        self.redials = Redials()
        self._routing = routing
        self._journal = journal
        self._policy = policy
        self.sift: Callable[..., Iterable[LinkEvent]] = lambda events, now: events
        self._outbox = outbox
        self.duplicates = Duplicates(routing, journal, rng)
        self._admission = LinkAdmission(journal)
        self._second = SecondLinks(self.links, self._maker, routing)
        self._super_packets = SuperPackets(self.links, outbox)

    def adopt(self, completed: Completed, *, now: float) -> None:
        """Gives a completed handshake to the neighbour's link, as new keys or a new path, or makes a link of it."""
        address = completed.keys.peer_address
        answered = self._dialler.completed(completed, now=now)
        entries = self._peers.missing_at((completed.endpoint.remote,), completed.keys.peer_exchange_key)
        if not self._policy.allows_neighbour(address):
            self._counters.links_denied += 1
            self._decline(completed, entries, DENIED_HERE, now=now)
            return
        name = self._second.name_for(completed)
        link = self.links.get(name)
        if link is not None:
            link.adopt(completed, now=now)
        elif not is_second(name) and (cause := self._refusal(completed, entries, answered, now=now)) is not None:
            self._counters.links_refused += 1
            self._decline(completed, entries, cause, now=now)
            return
        else:
            link = self.links[name] = self._maker.make(completed, name, now=now)
            if is_second(name):
                self._second.added(link, now=now)
        self.indices.add(completed.keys.local_index, link)
        for entry in entries:
            entry.connected(address, (completed.endpoint.remote,))
            self._dialler.forget_worse(entry.url, completed.endpoint, now=now)
        for candidate in answered:
            if candidate.source is Source.EXCHANGE:
                self._exchange.auto.answered(candidate, address, now=now)
        self.handle_events(now=now)

    def _refusal(
        self,
        completed: Completed,
        entries: Sequence[ConfiguredPeer],
        answered: Sequence[Candidate],
        *,
        now: float,
    ) -> str | None:
        """Returns why a new neighbour gets no link; strangers can't keep out a peer that the operator named."""
        bound = LINKS + len(self._peers.by_url) if entries else LINKS
        host, is_wanted = completed.endpoint.host, bool(entries or answered)
        links = self.links.values()
        return self._admission.refusal(host, links, count=len(links), bound=bound, is_wanted=is_wanted, now=now)

    def _decline(self, completed: Completed, entries: Iterable[ConfiguredPeer], cause: str, *, now: float) -> None:
        """Tells a neighbour that there will be no link, and why the entries of the peer list that lead to it."""
        link = self._maker.make(completed, completed.keys.peer_address, now=now)
        link.close(CLOSE_LEAVING, now=now)
        link.end(cause, now=now)
        for entry in entries:
            self.note_failure(entry.url, completed.endpoint.remote, cause, now=now)

    # -- what links report ---------------------------------------------------------------------------------------------

    def handle_events(self, *, now: float) -> None:
        """Handles what links have reported since the last call, and sends routing's answers.

        Sending may report more, which waits for the next call: a neighbour too slow for a whole table must not cause a loop.
        """
        events, self.events[:] = list(self.events), []
        for event in self.sift(events, now=now):
            tell_routing(self._routing, event, now=now)
            if not is_second(event.neighbour):
                self._handle(event, now=now)
            elif isinstance(event, LinkUp):
                self._tell_address(event.neighbour, event.endpoint, now=now)
                self._discovery.returned(self.links[event.neighbour].paths.remotes())
        for neighbour in self._second.settle(now=now):
            self._peers.left(neighbour, self.links[neighbour].paths.remotes())
        self.pass_on(now=now)

    def _handle(self, event: LinkEvent, *, now: float) -> None:
        neighbour = event.neighbour
        self._journal.link_reported(event, now=now)
        match event:
            case ItemsReceived():
                self._take_others(neighbour, [item for item in event.items if type(item) is not Update], now=now)
            case LinkUp():
                self._handle_up(event, now=now)
            case LinkSuspected():
                self._leasing.suspected(neighbour, now=now)
                self._dial_others(self.links[neighbour], now=now)
            case LinkDown():
                self._handle_down(event, now=now)
            case LinkMoved():
                self._tell_address(neighbour, event.after, now=now)
            case PathSlowed():
                self._super_packets.link_slowed(now=now)

    def _take_others(self, neighbour: bytes, items: Sequence[Item], *, now: float) -> None:
        """Takes what routing leaves to others. Updates, of which a table has thousands, are not among the items."""
        if not items:
            return
        self.peering.receive(neighbour, items, now=now)
        if about_leases := [item for item in items if isinstance(item, LeaseRequest | LeaseAnswer)]:
            self._leasing.take(neighbour, about_leases, now=now)

    def _handle_up(self, event: LinkUp, *, now: float) -> None:
        self._journal.note(EventKind.LINK_UP, node=event.neighbour, after=event.endpoint, now=now)
        self._note_return(self.links[event.neighbour], now=now)
        self._tell_address(event.neighbour, event.endpoint, now=now)
        if not self._leasing.linked(event.neighbour, event.endpoint, now=now):  # else others could not dial it there
            self._exchange.linked(event.neighbour, now=now)

    def _tell_address(self, neighbour: bytes, endpoint: Endpoint, *, now: float) -> None:
        """Tells a neighbour where it is seen."""
        address = address_to_tell(endpoint)
        if address is not None and not self._leasing.held.relay_at(endpoint):
            self.links[neighbour].send_items((Observed(address),), now=now)

    def _handle_down(self, event: LinkDown, *, now: float) -> None:
        link = self.links[event.neighbour]
        if self._second.is_up(event.neighbour):
            self.duplicates.replaced(event.neighbour, now=now)
            return
        if link.closed_by_peer:  # it may not want this node any more
            self.stop_dialling(link, now=now)
        else:
            self.redials.start(event.neighbour, now=now)
        self._peers.disconnected(event.neighbour, link.paths.active.endpoint.remote, event.cause, now=now)
        self._discovery.lost(link.paths.remotes(), event.cause)
        self._journal.note(
            EventKind.LINK_DOWN, node=event.neighbour, cause=event.cause, silent_s=event.silent_s, now=now
        )
        self.dial_due(now=now)

    def _note_return(self, link: Link, *, now: float) -> None:
        """Ends the redialling of a neighbour whose link is up, and finds the entries of the peer list that lead to it."""
        self.redials.stop(link.address)
        for entry in self._peers.missing_at(link.paths.remotes(), link.exchange_key):
            entry.connected(link.address, link.paths.remotes())
        self._peers.returned(link.address, now=now)
        self._discovery.returned(link.paths.remotes())

    def pass_on(self, *, now: float) -> None:
        """Sends the messages that routing has for neighbours, and tells of those that ask too much of it."""
        for node, cause in self._routing.excesses.take():
            self._journal.note(EventKind.NEIGHBOUR_EXCESSIVE, node=node, cause=cause, now=now)
        encode = ItemEncoder()
        for neighbour, items in self._routing.outbox:
            link = self.links.get(neighbour)
            if link is not None and link.state is not LinkState.DOWN:
                link.send_items(items, encode=encode, now=now)
        self._routing.outbox.clear()

    def remove(self, link: Link, reason: str, *, now: float) -> None:
        """Ends a link and forgets it, for a reason that people read."""
        if self.links.get(link.name) is not link:  # it ended with another one of its neighbour
            return
        if is_second(link.name):
            self._second.drop(link.name, now=now)
            return
        link.end(reason, now=now)
        self.handle_events(now=now)
        if self.links.get(link.address) is not link:  # another process of the neighbour has one
            return
        self._note_stillbirth(link, now=now)
        self.redials.stop(link.address)
        self._outside.forget(link.address)
        self._exchange.forget(link.address)
        del self.links[link.address]
        self._second.settle(now=now)
        self.indices.prune(now=now)

    def _note_stillbirth(self, link: Link, *, now: float) -> None:
        """Tells the entries of a link that never came up."""
        remote = link.paths.active.endpoint.remote
        cause = link.proofs.failure or (DECLINED if link.closed_by_peer else NOTHING_AFTER)
        if link.up_since is None:
            self._discovery.lost((remote,), cause)
        for entry in self._peers.linked_to(link.address):
            if link.closed_by_peer or link.proofs.failure is not None:
                entry.unlink()  # it is dialled with back-off
            else:
                entry.disconnected(remote, cause, now=now)
            self.note_failure(entry.url, remote, cause, now=now)

    # -- failures --------------------------------------------------------------------------------------------------------

    def note_failures(self, *, now: float) -> None:
        """Tells peers, and the journal of configured ones, which attempts have failed."""
        for candidate, cause in self._dialler.failed:
            if candidate.url is not None:
                self.note_failure(candidate.url, candidate.endpoint, cause, now=now)
            elif candidate.source is Source.DISCOVERY:
                self._discovery.failed(candidate.endpoint, cause)
            elif candidate.source is Source.EXCHANGE:
                self._exchange.auto.failed(candidate, now=now)
        self._dialler.failed.clear()

    def note_failure(self, url: str, endpoint: Endpoint | None, cause: str, *, now: float) -> None:
        """Notes why an attempt, or with no endpoint the look-up, of a configured peer failed."""
        failures = self._peers.failed(url, endpoint, cause, now=now)
        self._journal.peer_failed(url, cause, failures, endpoint=endpoint, now=now)

    def leave(self, peer: ConfiguredPeer, *, now: float) -> None:
        """Stops dialling for an entry that was removed from the peer list; ends its link unless another entry has the same."""
        self._dialler.forget_entry(peer.url, now=now)
        link = self.links.get(peer.neighbour) if peer.neighbour is not None else None
        is_shared = any(other.neighbour == peer.neighbour for other in self._peers.by_url.values())
        if link is not None and not is_shared and (peer.is_linked or link.state is LinkState.DOWN):
            self.close(link, "the peer was removed", now=now)

    def is_kept(self, neighbour: bytes) -> bool:
        """Tells whether the peer list, discovery or the automatic peers want the link with a neighbour."""
        discovered = self._discovery.links_by_peer().values()
        is_found = neighbour in self._exchange.auto.kept or any(link.address == neighbour for link in discovered)
        key = self.links[neighbour].exchange_key
        is_listed = any(entry.pin == key for entry in self._peers.by_url.values())
        return is_found or is_listed or bool(self._peers.linked_to(neighbour))

    def close(self, link: Link, reason: str, *, now: float) -> None:
        """Ends a link after a goodbye, and dials the neighbour no more."""
        link.close(CLOSE_LEAVING, now=now)
        self.stop_dialling(link, now=now)
        self.remove(link, reason, now=now)

    def sweep(self, *, now: float) -> None:
        """Removes long dead links, has keys renewed, gives way to another host with its key; to be called every second."""
        self._react(self.duplicates.react([link.address for link in self.links.values()], now=now), now=now)
        self._keep_auto_peers(now=now)
        self._admission.tell_crowds(self.peering.handshakes.crowds, now=now)
        for link in list(self.links.values()):
            link.sweep(now=now)
            if link.proofs.failure is not None:
                self.close(link, link.proofs.failure, now=now)
            elif link.state is LinkState.DOWN:
                kept_s = DEAD_LINK_KEPT_S if link.address in self.redials else ENDED_LINK_KEPT_S
                if now - link.frames.last_heard > kept_s:
                    self.remove(link, "silent for long", now=now)
            elif link.wants_new_keypair(now=now):
                self._dial(link, link.paths.active.endpoint, now=now)
        self.indices.prune(now=now)
        self._super_packets.look()

    def _keep_auto_peers(self, *, now: float) -> None:
        """Looks for automatic peers, and closes the links of those given up, unless they are kept for another reason."""
        self._exchange.sweep(now=now)
        news, self._exchange.auto.news = self._exchange.auto.news, []
        for one in news:
            self._journal.note(EventKind.AUTO_PEER, node=one.node, after=one.peer.endpoint, cause=one.cause, now=now)
            link = self.links.get(one.node)
            if one.cause is not None and link is not None and not self.is_kept(one.node):
                self.close(link, one.cause, now=now)

    def _react(self, reaction: Reaction, *, now: float) -> None:
        if reaction is Reaction.STAND_BACK:
            self._dialler.pause()
            for link in list(self.links.values()):
                link.close(CLOSE_LEAVING, now=now)
                self.remove(link, SHARED, now=now)
        elif reaction is Reaction.RETURN:
            self._dialler.resume()
            self._peers.retry_all(now=now)
            self.dial_due(now=now)

    def redial(self, link: Link, *, now: float) -> None:
        """Dials a neighbour at its last address, from whichever address of this host fits."""
        self._dial(link, link.paths.active.endpoint.remote, now=now)

    def stop_dialling(self, link: Link, *, now: float) -> None:
        """Leaves a neighbour alone, but for what the peer list asks for."""
        self.redials.stop(link.address)
        self._dialler.forget_neighbour(link.paths.remotes(), now=now)

    def _dial(self, link: Link, endpoint: Endpoint, *, now: float) -> None:
        self._dialler.dial(Candidate(endpoint, Source.NEIGHBOUR, link.exchange_key), now=now)

    def redial_due(self, *, now: float) -> None:
        """Dials the neighbours that are due to be dialled again."""
        for neighbour in self.redials.take_due(now=now):
            self.redial(self.links[neighbour], now=now)

    def _dial_others(self, link: Link, *, now: float) -> None:
        """Dials where the peer list says that a neighbour can be reached besides: the path in use may be about to fail."""
        tried = {path.endpoint.remote for path in link.paths if path.liveness.state is not PathState.DEAD}
        for entry in self._peers.linked_to(link.address):
            for candidate in entry.others(tried):
                self._dialler.dial(candidate, now=now)

    def dial_due(self, *, now: float) -> None:
        """Asks for the addresses of the configured peers that are due to be dialled."""
        for peer in self._peers.take_due(now=now):
            self._outbox.events.append(ResolvePeer(peer.url))

    def host_lost(self, lost: Lost, *, now: float) -> None:
        """Declares paths dead that this host has lost the interface, address or route for, and probes all others."""
        links = list(self.links.values()) if lost.endpoint is None else self.over(lost.endpoint)
        for link in links:
            link.host_lost(lost, now=now)
            self.handle_events(now=now)

    def over(self, endpoint: Endpoint) -> list[Link]:
        """Returns the links with a path over an endpoint: where many fail together, each must not cost a call of all."""
        return [link for link in self.links.values() if endpoint in link.paths.by_endpoint]

    def silent_since(self, neighbour: bytes) -> float:
        """Since when a neighbour that is out of use has not answered; infinity for one in use and for an unknown one."""
        link = self.links.get(neighbour)
        return inf if link is None or link.state is LinkState.UP else link.silent_since
