"""A link: one authenticated neighbour, over whichever paths reach it.

    frames           sealed, cut, reassembled, opened; losses repaired
    keypairs         what they are sealed under, from handshake to handshake
    paths            where they go
    probes           round trips, loss, datagram sizes
    cost             what routing is told of round trips and loss
    control stream   routing's messages, reliable and in order

Here these are put together: what each kind of frame does, what happens with time, and the state that is reported by events.
"""

from collections.abc import Callable, Collection, Sequence
from enum import Enum
from math import inf

from mycelium.crypto.key_proof import KeyProver
from mycelium.endpoint import Endpoint, Lost, Remote, is_same_remote
from mycelium.errors import DecodeError
from mycelium.link.budgets import LinkBudgets
from mycelium.link.control_stream import ControlStream
from mycelium.link.cost import LinkCost
from mycelium.link.counters import LinkCounters
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    KeyProved,
    KeysRenewed,
    LinkDown,
    LinkEvent,
    LinkMoved,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
    PathSlowed,
)
from mycelium.link.frames import FRAME_HEADER_BYTES, Frames
from mycelium.link.handshakes import Completed
from mycelium.link.key_proofs import LinkProofs
from mycelium.link.keypair import LinkKeypair
from mycelium.link.keypairs import Keypairs
from mycelium.link.path.liveness import PathState
from mycelium.link.path.path import Path
from mycelium.link.path.paths import Paths
from mycelium.link.probes import Probes
from mycelium.link.repair.repair import Repair
from mycelium.outbox import Outbox
from mycelium.wire.control import Encode, Item, encode_item
from mycelium.wire.frame import CLOSE, CONTROL, PROBE, PROOF, RATE, REPAIR, read_rate


class LinkState(Enum):
    """What routing is told of a neighbour."""

    DOWN = "down"
    UP = "up"
    SUSPECT = "suspect"


class Link:
    """One neighbour, which its events call by `name`. `frames` is the data path's part of it."""

    __slots__ = (
        "_control",
        "_endpoint",
        "_events",
        "_probes",
        "address",
        "closed_by_peer",
        "connected_since",
        "costing",
        "exchange_key",
        "frames",
        "instance",
        "keypairs",
        "name",
        "paths",
        "proofs",
        "state",
        "up_since",
    )

    def __init__(
        self,
        completed: Completed,
        *,
        name: bytes,
        outbox: Outbox,
        events: list[LinkEvent],
        budgets: LinkBudgets,
        prover: KeyProver,
        wanted_proof: bytes | None,
        counters: LinkCounters,
        new_stream: Callable[[], int],
        entropy: Callable[[int], bytes],
        arm: Callable[[float], None],
        now: float,
    ) -> None:
        self.address = completed.keys.peer_address
        self.exchange_key = completed.keys.peer_exchange_key
        self.name, self.instance = name, completed.keys.peer_instance  # it is with one process of the neighbour
        self.connected_since = now
        self.up_since: float | None = None  # when it last came up
        self.state, self.closed_by_peer = LinkState.DOWN, False
        self._events = events
        self._endpoint = completed.endpoint  # as reported last
        self.paths = Paths(completed.endpoint, is_narrow=completed.is_narrow, now=now)
        self.keypairs = Keypairs(
            completed,
            own_exchange_key=prover.identity.exchange_public_key,
            partial_budget=budgets.partial,
            held_budget=budgets.repair.held,
            counters=counters,
            outbox=outbox,
            now=now,
        )
        self.frames = Frames(
            self,
            keypairs=self.keypairs,
            paths=self.paths,
            repair=Repair(budgets.repair, counters, outbox),
            counters=counters,
            outbox=outbox,
            arm=arm,
            now=now,
        )
        self._probes = Probes(self.frames, entropy=entropy)
        self._control = ControlStream(self.frames, budgets.intake_of(self.address, now=now), new_stream=new_stream)
        self.costing = LinkCost(now=now)
        self.proofs = LinkProofs(self.frames, self._probes, prover, budgets, self.address, wanted_proof, now=now)
        self.network_changed(now=now)

    # -- what others read ----------------------------------------------------------------------------------------------

    @property
    def cost(self) -> int | None:
        """The published cost in units of 10 us; None before the first round trip."""
        return self.costing.published

    def loss(self, *, now: float) -> float | None:
        """Returns the share of frames lost in the last minute, after repair; None where nothing is known or it is down."""
        return None if self.state is LinkState.DOWN else self.frames.budget.recent.share(now=now)

    @property
    def silent_since(self) -> float:
        """Since when the neighbour has owed evidence on the path in use; infinity where it owes none."""
        return self.paths.active.liveness.silent_since

    @property
    def untaken_bytes(self) -> int:
        """Bytes of control messages that the neighbour has not acknowledged; 1 if it had not when the link went down."""
        return self._control.untaken_bytes

    @property
    def is_over(self) -> bool:
        """Tells whether the process that it is with has left, or can't be reached."""
        is_gone = self.closed_by_peer or self.paths.active.liveness.state is PathState.DEAD
        return is_gone and self.state is LinkState.DOWN

    def wants_new_keypair(self, *, now: float) -> bool:
        """Tells whether to begin a handshake over the path in use."""
        return self.keypairs.sending.wants_replacement(now=now)

    # -- handshakes ----------------------------------------------------------------------------------------------------

    def adopt(self, completed: Completed, *, now: float) -> None:
        """Takes the keypair and the path of another handshake with the neighbour; one of another instance once it `is_over`."""
        was_down = self.state is LinkState.DOWN
        if not was_down:
            self._events.append(KeysRenewed(self.name))
        keypair = self.keypairs.add(completed, now=now)
        if completed.keys.peer_instance != self.instance:
            self.instance = completed.keys.peer_instance
            self.keypairs.keep_only(keypair)
            self.frames.send_under(keypair)
            self.proofs.is_asked = False
        path = self.paths.add_validated(completed.endpoint, is_narrow=completed.is_narrow, now=now)
        self.closed_by_peer = False
        if was_down:
            self.paths.active = path
        self.proofs.begin(keypair, now=now)
        if keypair.is_settled and (was_down or keypair.message_3 is None):
            self.frames.send_under(keypair)
        self._probes.ask(path, now=now)
        self._settle(now=now)

    def keypair_heard(self, keypair: LinkKeypair, path: Path, *, now: float) -> None:
        if keypair.message_3 is not None and self.cost is None:  # the neighbour could not open what it was asked before
            self._probes.ask(path, now=now)
        if self.keypairs.confirm(keypair) and keypair.is_settled:
            self.frames.send_under(keypair)

    # -- sending -------------------------------------------------------------------------------------------------------

    def send_items(self, items: Sequence[Item], *, encode: Encode = encode_item, now: float) -> None:
        """Sends control messages."""
        if not self._control.send(items, encode=encode, now=now) and self.cost is not None:
            self._events.append(NeighbourReset(self.name, self.cost))
        self.frames.arm(self._control.next_deadline())

    def close(self, reason: int, *, now: float) -> None:
        """Tells the neighbour that this node leaves."""
        plain = memoryview(bytearray(FRAME_HEADER_BYTES) + bytes((reason,)))
        self.frames.send(CLOSE, plain, wants_ack=False, now=now)

    def end(self, cause: str, *, now: float) -> None:
        """Gives back what the link holds: it is over, whatever the neighbour does."""
        self._take_down(cause, now=now)
        self.keypairs.close()
        self.frames.repair.sent.clear()

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(
        self, index: int, endpoint: Endpoint, burst: memoryview, segment_size: int, *, waited_s: float, now: float
    ) -> list[memoryview]:
        """Takes datagrams of equal size under one of our indices; returns the data frames whose turn has come, opened."""
        frames = self.frames.receive(index, endpoint, burst, segment_size, waited_s=waited_s, now=now)
        self._report(now=now)
        return frames

    def size_probe_arrived(self, keypair: LinkKeypair, path: Path, datagram: memoryview, *, now: float) -> None:
        if keypair.awaited is None:
            self._probes.answer_size(keypair, path, datagram, now=now)

    def frame_opened(self, kind: int, keypair: LinkKeypair, path: Path, body: memoryview, *, now: float) -> None:
        if not self._control.intake.takes_frame(kind, now=now):
            return
        try:
            if kind == CONTROL:
                self._take_control(keypair, body, now=now)
            elif kind == PROBE:
                self._take_probe(path, body, now=now)
            elif kind == REPAIR:
                self._take_repair_request(body, now=now)
            elif kind == PROOF:
                if self.proofs.take_frame(keypair, body, now=now):
                    self._events.append(KeyProved(self.name))
            elif kind == RATE:
                if self.frames.budget.slow(read_rate(body), now=now):
                    self._events.append(PathSlowed(self.name))
            elif kind == CLOSE:  # a late one under an old keypair says nothing of a neighbour that has a newer one
                self.closed_by_peer |= keypair.established >= self.keypairs.sending.established
            else:
                raise DecodeError("kind of frame")
        except DecodeError:
            self.frames.counters.frames_malformed += 1
        self._settle(now=now)

    def _take_control(self, keypair: LinkKeypair, body: memoryview, *, now: float) -> None:
        if self.cost is None:  # the link is down
            return  # not acknowledged, so the neighbour sends it again when the link is up
        items, is_reset = self._control.receive(keypair, body, now=now)
        if is_reset:
            self._events.append(NeighbourReset(self.name, self.cost))
        if items:
            self._events.append(ItemsReceived(self.name, items))

    def _take_probe(self, path: Path, body: memoryview, *, now: float) -> None:
        is_measured = self._probes.receive(path, body, is_up=self.cost is not None, now=now)
        if is_measured and path is self.paths.active and not self.closed_by_peer:
            self._update_cost(now=now)

    def _update_cost(self, *, now: float) -> None:
        budget = self.frames.budget
        if self.cost is None:
            budget.start_over(now=now)
        has_changed = self.costing.sample(self.paths.active.rtt, budget.datagram_loss, now=now)
        if has_changed and self.state is not LinkState.DOWN and self.cost is not None:
            self._events.append(CostChanged(self.name, self.cost))

    def _take_repair_request(self, body: memoryview, *, now: float) -> None:
        repair, budget, path = self.frames.repair, self.frames.budget, self.paths.active
        path.tx_bytes += repair.answer(body, path, self.keypairs.sending, now=now)
        if repair.is_asked_too_much():
            self._control.intake.asked_too_often(now=now)
        budget.excuse(repair.take_excused())

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted."""
        return min(
            self._control.next_deadline(),
            self.costing.probe_at,
            self.paths.next_deadline(),
            self.keypairs.next_deadline(),
            self.proofs.due_at,
        )

    def handle_timeout(self, *, now: float) -> list[memoryview]:
        """Does what is due, if anything is; returns data frames that have waited in vain for earlier ones."""
        frames = self.frames
        frames.due_at = inf
        if self.next_deadline() > now:
            frames.arm(self.next_deadline())
            return []
        frames.due_at = -inf  # what is due next is passed on once, in the end
        released = self.frames.request_repairs(now=now)
        for path in self.paths:
            self._probes.handle_timeout(path, now=now)
        if self.costing.take_probe(now=now):
            self._probes.ask(self.paths.active, now=now)
        self.paths.probe_spares_if_doubtful(now=now)
        self._control.flush(now=now)
        self.keypairs.handle_timeout(now=now)
        self.proofs.handle_timeout(now=now)
        frames.due_at = inf
        self._settle(now=now)
        return released

    def sweep(self, *, now: float) -> None:
        """Judges traffic, and drops what is stale; to be called every second."""
        if self.keypairs.sweep(now=now):
            self.paths.keys_lost(now=now)
        self.frames.budget.sweep(now=now)
        self.frames.repair.sent.sweep(is_used=self.frames.budget.is_used, now=now)
        self.paths.sweep(now=now)
        self._settle(now=now)

    # -- this host's network -------------------------------------------------------------------------------------------

    def network_changed(self, *, now: float) -> None:
        """Probes all paths anew: addresses or routes of this host have changed."""
        self.paths.network_changed(now=now)
        self._settle(now=now)

    def reported_unreachable(self, remotes: Collection[Remote], *, now: float) -> None:
        """Probes paths that ICMP errors were received for, or whose end may have been restarted."""
        if self.paths.reported_unreachable(remotes, now=now):
            self._settle(now=now)

    def datagram_refused(self, endpoint: Endpoint, size: int, *, now: float) -> None:
        """Sends shorter datagrams over a path: one of `size` bytes was too long to leave this host."""
        path = self.paths.by_endpoint.get(endpoint)
        if path is not None:
            path.mtu.refused(size, now=now)
            self._settle(now=now)

    def host_lost(self, lost: Lost, *, now: float) -> None:
        """Leaves paths that this host can no longer send over."""
        self.paths.host_lost(lost, now=now)
        self._settle(now=now)

    def host_gained(self, *, now: float) -> None:
        """Probes lost paths again."""
        self.paths.host_gained(now=now)
        self._settle(now=now)

    # -- state ---------------------------------------------------------------------------------------------------------

    def _settle(self, *, now: float) -> None:
        """Reports what has changed, and when the link wants a call next."""
        self._report(now=now)
        self.frames.arm(self.next_deadline())

    def _report(self, *, now: float) -> None:
        """Reports changes of the state and of the neighbour's endpoint; called after whatever may cause one."""
        path = self.paths.active
        path_state, is_up = path.liveness.state, self.state is LinkState.UP
        if is_up and path_state is PathState.ALIVE and path.endpoint is self._endpoint and not self.closed_by_peer:
            return
        if self.cost is None or self.closed_by_peer or path_state is PathState.DEAD:
            self._take_down("closed" if self.closed_by_peer else self._failure, now=now)
            return
        if self.state is LinkState.DOWN:
            self.state, self.up_since = LinkState.UP, now
            self._endpoint = path.endpoint
            self._events.append(LinkUp(self.name, path.endpoint, self.cost))
        is_suspect = path_state is PathState.SUSPECT
        if is_suspect is not (self.state is LinkState.SUSPECT):
            self.state = LinkState.SUSPECT if is_suspect else LinkState.UP
            suspected = LinkSuspected(self.name, self._failure, self._silent_s(now=now))
            self._events.append(suspected if is_suspect else LinkTrusted(self.name))
        if path.endpoint is not self._endpoint:
            before, self._endpoint = self._endpoint, path.endpoint
            if not is_same_remote(before, path.endpoint):
                self.frames.budget.start_over(now=now)  # what the path before has lost is no loss of this one
                self._events.append(LinkMoved(self.name, before, path.endpoint))
        if not is_suspect:  # what was sent while the neighbour could not be reached is lost
            self._control.resend()
            self.frames.arm(self._control.next_deadline())

    def _take_down(self, cause: str, *, now: float) -> None:
        """Forgets the cost and drops what is queued for the neighbour."""
        if self.state is LinkState.DOWN:
            return
        self.state = LinkState.DOWN
        self._control.restart()
        self.costing.reset()
        self._events.append(LinkDown(self.name, cause, self._silent_s(now=now)))

    @property
    def _failure(self) -> str:
        """Why the path in use fails, for people."""
        return self.paths.active.liveness.lost_because or "silent"

    def _silent_s(self, *, now: float) -> float:
        return max(now - self.silent_since, 0.0)
