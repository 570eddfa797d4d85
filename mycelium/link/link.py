"""A link: an authenticated neighbour, and what the frames that are not data say: control messages, probes, goodbyes.

How frames are sealed and opened is in `node.link_frames`. Here the link learns what it costs and whether it lives, finds its
paths, keeps its keys young, and tells the node its state.
"""

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final

from mycelium.channel.simultaneous_open import is_superseded
from mycelium.endpoint import Endpoint, Lost, is_same_remote
from mycelium.errors import DecodeError
from mycelium.link.control_channel import ControlChannel
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    KeysRenewed,
    LinkDown,
    LinkEvent,
    LinkMoved,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
)
from mycelium.link.frames import FRAME_HEADER_BYTES, HEAD_BYTES, MASK_32, SEALED_OVERHEAD, LinkFrames
from mycelium.link.handshakes import Completed
from mycelium.link.keypair import MESSAGE_3_AGAIN_S, MESSAGE_3_PATIENCE_S, LinkKeypair
from mycelium.link.path.choice import PathChoice
from mycelium.link.path.liveness import Action, PathState, Role
from mycelium.link.path.path import Path
from mycelium.link.path.rtt import LOADED_WINDOW_S, WINDOW_S
from mycelium.link.probe_burst import ProbeBurst
from mycelium.link.reassembly import PartialBudget
from mycelium.link.repair.repair import RepairBudgets
from mycelium.outbox import Outbox
from mycelium.routing.metric import PublishedCost, link_cost
from mycelium.wire.control import Item, decode_items, encode_item
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.frame import (
    CLOSE,
    CONTROL,
    CONTROL_HEADER,
    PROBE,
    PROBE_BODY,
    PROBE_IS_REPLY,
    PROBE_WANTS_REPLY,
    REPAIR,
)

BUSY_BYTES_PER_S: Final = 10_000
LOADED_BYTES_PER_S: Final = 125_000  # what may fill a path; a queue stays for a while
LOADED_FOR_S: Final = 30.0
_PROBES_REMEMBERED: Final = 32
MOST_WAITED_US: Final = 0xFF_FFFF
MOST_EXPENDABLE: Final = 64  # frames that are excused in advance: some that seem lost come late


class LinkState(Enum):
    """What routing is told of a neighbour."""

    DOWN = "down"
    UP = "up"
    SUSPECT = "suspect"


class Link(LinkFrames):
    """One neighbour."""

    __slots__ = (
        "_burst",
        "_carried",
        "_choice",
        "_control",
        "_control_keys_since",
        "_cost",
        "_endpoint",
        "_entropy",
        "_events",
        "_loaded_until",
        "_missed",
        "_new_stream",
        "address",
        "closed_by_peer",
        "connected_since",
        "cost",
        "exchange_key",
        "state",
    )

    def __init__(
        self,
        completed: Completed,
        *,
        own_exchange_key: bytes,
        outbox: Outbox,
        events: list[LinkEvent],
        partial_budget: PartialBudget,
        repair_budgets: RepairBudgets,
        new_stream: Callable[[], int],
        entropy: Callable[[int], bytes],
        now: float,
    ) -> None:
        super().__init__(
            completed,
            own_exchange_key=own_exchange_key,
            outbox=outbox,
            partial_budget=partial_budget,
            repair_budgets=repair_budgets,
            now=now,
        )
        self.address = completed.keys.peer_address
        self.exchange_key = completed.keys.peer_exchange_key
        self._new_stream = new_stream
        self._control = ControlChannel(new_stream())
        self._control_keys_since = -inf  # when the newest keys were agreed that control messages came under
        self._entropy = entropy
        self._cost = PublishedCost()
        self._burst = ProbeBurst()
        self.cost: int | None = None  # as published, units of 10 us
        self._choice = PathChoice()
        self.closed_by_peer = False
        self.state = LinkState.DOWN
        self._events = events
        self._endpoint = completed.endpoint  # of the path in use
        self.connected_since = now
        self._missed = 0  # frames, at the last sweep
        self._carried = 0  # bytes over all paths, at the last sweep
        self._loaded_until = -inf

    # -- handshakes ----------------------------------------------------------------------------------------------------

    def adopt(self, completed: Completed, *, now: float) -> None:
        """Takes in the keys and the path of another handshake with the same neighbour: a rekey, a restart, a second path."""
        was_down = self.state is LinkState.DOWN
        if not was_down:
            self._events.append(KeysRenewed(self.address))
        session = self._add_session(completed, now)
        path = self.paths.get(completed.endpoint)
        if path is None:
            path = self._add_path(completed.endpoint, is_validated=True, now=now)
        path.is_validated = True
        path.liveness.received(now)
        self.closed_by_peer = False
        if was_down:
            self.active = path
        if was_down or session.message_3 is None:
            self._send_under(session)
        self._probe(path, now=now)
        self._report(now)

    def _heard_under(self, session: LinkKeypair, path: Path, now: float) -> None:
        """A frame came under keys that the neighbour had not used before, or that we do not send under.

        At first we follow it: it may hold no others. Once it uses both keys of crossing handshakes, both ends take the same.
        """
        is_first = session.message_3 is not None
        session.message_3 = None
        if is_first and self.cost is None:  # it could not open what we asked before
            self._probe(path, now=now)
        if session is not self.sending and (is_first or is_superseded(self.sending, session, self._own_exchange_key)):
            self._send_under(session)

    # -- sending -------------------------------------------------------------------------------------------------------

    def send_items(self, items: list[Item], *, now: float) -> None:
        """Queues control messages for the neighbour and sends what the channel's window lets through."""
        for item in items:
            if not self._control.send(encode_item(item)):
                self._control.restart(self._new_stream())
                if self.cost is not None:
                    self._events.append(NeighbourReset(self.address, self.cost))
                break
        self.flush_control(now=now)

    def flush_control(self, *, now: float) -> None:
        """Sends segments, resends and acknowledgements that are due."""
        path = self.active
        room = path.mtu.size - SEALED_OVERHEAD
        while (body := self._control.next_segment(now=now, rto=path.rtt.rto, room=room)) is not None:
            plain = memoryview(bytearray(FRAME_HEADER_BYTES + len(body)))
            plain[FRAME_HEADER_BYTES:] = body
            carries_segment = CONTROL_HEADER.unpack_from(body)[1] != 0
            self.send_frame(CONTROL, plain, now=now, wants_echo=carries_segment)

    def close(self, reason: int, *, now: float) -> None:
        """Says goodbye."""
        plain = memoryview(bytearray(FRAME_HEADER_BYTES + 1))
        plain[FRAME_HEADER_BYTES] = reason
        self.send_frame(CLOSE, plain, now=now, wants_echo=False)

    def end(self, cause: str, *, now: float) -> None:
        """Gives back what the link holds: it is over, whatever the neighbour does."""
        self._take_down(cause, now)
        self.drop_all()

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(
        self, index: int, endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float
    ) -> list[memoryview]:
        """Takes datagrams of equal size under one of our indices; returns the data frames whose turn has come, opened."""
        frames = super().receive(index, endpoint, burst, segment_size, now=now, waited_s=waited_s)
        self._report(now)
        return frames

    def _receive_other(self, kind: int, session: LinkKeypair, path: Path, plain: memoryview, now: float) -> None:
        body = plain[FRAME_HEADER_BYTES:]
        if kind == CONTROL:
            self._receive_control(session, body, now)
        elif kind == PROBE and len(body) >= PROBE_BODY.size:
            self._receive_probe(path, body, now)
        elif kind == REPAIR:
            self.active.tx_bytes += self._repair.answer(body, self.active, self.sending, now=now)
            self.budget.expendable = min(self.budget.expendable + self._repair.take_excused(), MOST_EXPENDABLE)
        elif kind == CLOSE:
            # One that comes late under old keys says nothing of a neighbour that has new ones.
            self.closed_by_peer |= session.established >= self.sending.established
        else:
            self.malformed += 1
        self._report(now)

    def _receive_control(self, session: LinkKeypair, body: memoryview, now: float) -> None:
        if (
            self.cost is None or self.state is LinkState.DOWN
        ):  # not acknowledged: the neighbour must send it again later
            return
        has_newer_keys = session.established > self._control_keys_since
        self._control_keys_since = max(session.established, self._control_keys_since)
        try:
            blobs = self._control.receive(body, now=now, may_be_another=has_newer_keys)
        except DecodeError:
            self.malformed += 1
            return
        if self._control.take_peer_restart():
            self._events.append(NeighbourReset(self.address, self.cost))
        if self._control.is_forgotten:
            self._control.restart(self._new_stream())
        for blob in blobs:
            try:
                self._events.append(ItemsReceived(self.address, decode_items(blob)))
            except DecodeError:
                self.malformed += 1
        self.flush_control(now=now)

    # -- probes and paths ----------------------------------------------------------------------------------------------

    def _receive_probe(self, path: Path, body: memoryview, now: float) -> None:
        flags, waited, token, opened, newest = PROBE_BODY.unpack_from(body)
        if 0 < newest < self.sending.sealing.counter & MASK_32:  # not of keys that we sent under before
            self.budget.report(opened, newest, now=now)
            self.frame_limit = self.budget.limit
        if flags & PROBE_WANTS_REPLY:
            self._send_probe(path, now, flags=PROBE_IS_REPLY, token=token)
            if self.cost is None:  # it is back before we have asked again
                self._probe(path, now=now)
        elif flags & PROBE_IS_REPLY:
            self._receive_reply(path, token, int.from_bytes(waited, "big") * 1e-6, now)

    def _receive_reply(self, path: Path, token: int, waited_s: float, now: float) -> None:
        question = path.probes.pop(token, None)
        if question is None:
            return
        asked_at, size = question
        path.rtt.sample(now - asked_at, now=now, waited_s=waited_s + self._waited_s)
        if path.rtt.srtt is None:  # it took longer than any round trip
            return
        if size:
            path.mtu.acknowledged(size, now)
            self.budget.expendable = max(self.budget.expendable - 1, 0)
        else:
            path.liveness.probe_answered(now)
        if not path.is_validated:
            path.is_validated = True
            self._settle_path(path, now)
        if self.active.liveness.state is not PathState.ALIVE:
            self.active = path  # it has just answered
        if path is self.active:
            self.budget.set_floor(path.mtu.size - HEAD_BYTES - TAG_BYTES)
            self.frame_limit = self.budget.limit
            if self.cost is None:
                self.budget.start_over(self.sending.sealing.counter)
            rtt, loss = path.rtt, self.budget.datagram_loss
            measured, newest = link_cost(rtt.minimum(now=now), loss), link_cost(rtt.newest_on_wire or 0.0, loss)
            cost = self._cost.update(measured, newest=newest, is_steady=rtt.is_steady, jitter_s=rtt.jitter, now=now)
            if cost is not None:
                is_first = self.cost is None
                if self.state is not LinkState.DOWN and cost != self.cost:
                    self._events.append(CostChanged(self.address, cost))
                self.cost = cost
                self._burst = ProbeBurst()  # it may have further to go
                if is_first:
                    self._burst.begin(now)
            self._burst.judge(is_doubtful=self._cost.is_doubtful, now=now)

    def _probe(self, path: Path, *, now: float, size: int = 0) -> None:
        """Asks for an answer over a path; with `size` by a datagram of so many bytes."""
        token = int.from_bytes(self._entropy(4), "big")  # nobody can answer before being asked
        path.probes[token] = now, size
        self.budget.expendable += size > 0
        if len(path.probes) > _PROBES_REMEMBERED:
            del path.probes[next(iter(path.probes))]
        self._send_probe(path, now, flags=PROBE_WANTS_REPLY, token=token, size=size)

    def _send_probe(self, path: Path, now: float, *, flags: int, token: int = 0, size: int = 0) -> None:
        plain = memoryview(bytearray(max(size - HEAD_BYTES - TAG_BYTES, FRAME_HEADER_BYTES + PROBE_BODY.size)))
        opened, newest = path.arrivals
        waited = min(round(self._waited_s * 1e6), MOST_WAITED_US) if flags == PROBE_IS_REPLY else 0
        PROBE_BODY.pack_into(plain, FRAME_HEADER_BYTES, flags, waited.to_bytes(3, "big"), token, opened, newest)
        wants_echo = flags == PROBE_WANTS_REPLY and not size  # a probe that is too long says nothing of the path's life
        self.send_frame(PROBE, plain, now=now, path=path, wants_echo=wants_echo, datagram_size=size)

    def _meet_path(self, endpoint: Endpoint, number: int, now: float) -> Path:
        """An authentic frame came from an address that is new: ask there, and believe in it when the answer comes.

        If new is only which address of ours it reached, that is where the kernel has begun to send from.
        """
        known = self.paths.pop(endpoint.remote, None)
        if known is not None:
            known.endpoint = endpoint
            self.paths[endpoint] = known
            return known
        path = self._add_path(endpoint, is_validated=False, now=now)
        path.peer_number = number
        self._probe(path, now=now)
        return path

    def _settle_path(self, path: Path, now: float) -> None:
        """A path has proved itself. If the neighbour calls it by the number of the one in use, its address has changed."""
        moved = self.active.peer_number == path.peer_number and path is not self.active
        if moved or self.active.liveness.state is PathState.DEAD:
            old, self.active = self.active, path
            if moved:
                del self.paths[old.endpoint]

    # -- state ---------------------------------------------------------------------------------------------------------

    def _report(self, now: float) -> None:
        """Reports what has changed of the state and of the neighbour's address; to be called after whatever may do so."""
        liveness = self.active.liveness
        if self.cost is None or self.closed_by_peer or liveness.state is PathState.DEAD:
            self._take_down("closed" if self.closed_by_peer else "silent", now)
            return
        endpoint = self.active.endpoint
        if self.state is LinkState.DOWN:
            self.state = LinkState.UP
            self._endpoint = endpoint
            self._events.append(LinkUp(self.address, endpoint, self.cost))
        is_suspect = liveness.state is PathState.SUSPECT
        if is_suspect is not (self.state is LinkState.SUSPECT):
            self.state = LinkState.SUSPECT if is_suspect else LinkState.UP
            self._events.append(
                LinkSuspected(self.address, self._silent_s(now)) if is_suspect else LinkTrusted(self.address)
            )
        if endpoint is not self._endpoint:
            before, self._endpoint = self._endpoint, endpoint
            if not is_same_remote(before, endpoint):
                self._events.append(LinkMoved(self.address, before, endpoint))

    def _take_down(self, cause: str, now: float) -> None:
        """Drops what is queued for the neighbour."""
        if self.state is LinkState.DOWN:
            return
        self.state = LinkState.DOWN
        self._control.restart(self._new_stream())
        self.cost = None
        self._cost = PublishedCost()
        self._events.append(LinkDown(self.address, cause, self._silent_s(now)))

    def _silent_s(self, now: float) -> float:
        return max(now - self.silent_since(), 0.0)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> list[memoryview]:
        """Probes, resends, and sees to keys and paths; returns data frames that have waited in vain for earlier ones."""
        released: list[memoryview] = []
        for session in self._sessions.values():
            self._mend(session, released, now)
        for path in list(self.paths.values()):
            action = path.liveness.handle_timeout(now)
            if action is Action.PROBE:
                self._probe(path, now=now)
            elif action is Action.ECHO:
                self._send_probe(path, now, flags=0)
            size = path.mtu.probe_to_send(now) if path.is_validated and path.rtt.srtt is not None else None
            if size is not None:
                self._probe(path, now=now, size=size)
        if self._burst.take_due(now):
            self._probe(self.active, now=now)
        self._look_for_another_path(now)
        self.flush_control(now=now)
        for index, session in list(self._sessions.items()):
            self._keep_session(index, session, now)
        self._report(now)
        return released

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next."""
        deadline = min(self._control.next_deadline(self.active.rtt.rto), self._burst.due_at)
        for path in self.paths.values():
            deadline = min(deadline, path.liveness.next_deadline())
            if path.is_validated and path.rtt.srtt is not None:
                deadline = min(deadline, path.mtu.next_deadline())
        for session in self._sessions.values():
            deadline = min(
                deadline, session.holes.due_at, session.message_3_due if session.message_3 is not None else inf
            )
        return deadline

    def silent_since(self) -> float:
        """Since when the neighbour owes us an answer on the path in use; infinity where it owes none."""
        return self.active.liveness.silent_since

    def wants_new_keys(self, now: float) -> bool:
        """Tells whether the node should begin a handshake over the path in use."""
        return self.sending.wants_replacement(now=now)

    def sweep(self, *, now: float) -> None:
        """Forgets frames that have long been in parts, and judges how busy the link is; to be called every second."""
        for session in self._sessions.values():
            session.reassembly.sweep()
        self._sent_frames.sweep(now=now)
        carried = sum(path.tx_bytes + path.rx_bytes for path in self.paths.values())
        is_busy = carried - self._carried > BUSY_BYTES_PER_S
        if carried - self._carried > LOADED_BYTES_PER_S:
            self._loaded_until = now + LOADED_FOR_S
        self._carried = carried
        if self.budget.missed > self._missed:  # perhaps all that were long
            self._missed = self.budget.missed
            self.active.mtu.doubt(now)
        for path in list(self.paths.values()):
            is_spent = path.endpoint.connection and path is not self.active  # what is closed can't be dialled again
            if path.liveness.state is PathState.DEAD and (is_spent or not path.is_validated):
                del self.paths[path.endpoint]
        self._choose_path(now)
        for path in self.paths.values():
            path.rtt.window_s = LOADED_WINDOW_S if path is self.active and now < self._loaded_until else WINDOW_S
            path.liveness.set_role(Role.SPARE if path is not self.active else Role.BUSY if is_busy else Role.SELECTED)
        self._report(now)

    def probe_all(self, *, now: float) -> None:
        """Something about our addresses has changed: ask on every path, and look for the size of each afresh.

        The kernel chooses anew which address to send from: the one used so far may be gone.
        """
        paths = sorted(self.paths.values(), key=lambda path: path is self.active)
        self.paths.clear()
        for path in paths:
            path.endpoint = path.remote
            self.paths[path.endpoint] = path
        for path in self.paths.values():
            path.mtu.reset(now)
            path.liveness.doubt(now)

    def rumour(self, endpoint: Endpoint, *, now: float) -> None:
        """Somebody says that this address of the neighbour does not answer: it is asked."""
        for path in self.paths.values():
            if is_same_remote(path.endpoint, endpoint):
                path.liveness.rumour(now)

    def cut(self, lost: Lost, *, now: float) -> None:
        """This host has lost an interface, addresses or a way: paths over it are as good as dead, the others are asked.

        If the one in use is among them, the nearest of the others takes over before anything can be missed.
        """
        for path in list(self.paths.values()):
            if lost.carries(path.endpoint):
                path.probes.clear()
                path.liveness.cut(now)
                self._send_from_anywhere(path)
            elif lost.endpoint is None:
                path.liveness.doubt(now)
        self._choose_path(now)
        self._report(now)

    def ask_again(self, *, now: float) -> None:
        """The host has got something new to send from, or over: lost paths may work again."""
        for path in self.paths.values():
            path.liveness.ask_again(now)

    def _send_from_anywhere(self, path: Path) -> None:
        """The kernel chooses anew which address to send from: the one used so far may be gone."""
        if path.remote not in self.paths:
            del self.paths[path.endpoint]
            path.endpoint = path.remote
            self.paths[path.endpoint] = path

    def _choose_path(self, now: float) -> None:
        """Where another path takes over, routing need not hear of it."""
        self.active = self._choice.best(self.active, self.paths.values(), now=now)

    def _look_for_another_path(self, now: float) -> None:
        """A path in doubt is left; while none is beyond doubt the spare ones are asked, and the first to answer is taken."""
        self._choose_path(now)
        if self.active.liveness.state is PathState.ALIVE:
            return
        for path in self.paths.values():
            if path is not self.active and path.is_validated and path.liveness.state is not PathState.DEAD:
                path.liveness.doubt(now)

    def _keep_session(self, index: int, session: LinkKeypair, now: float) -> None:
        if session.message_3 is not None and now >= session.message_3_due:
            if now > session.established + MESSAGE_3_PATIENCE_S:
                session.message_3 = None
                return
            session.message_3_due = now + MESSAGE_3_AGAIN_S
            data = memoryview(session.message_3)
            self._outbox.transmits.append((session.endpoint, [data], len(data), False))
        if session is not self.sending and session.is_idle(now=now):
            self._drop_session(index)
