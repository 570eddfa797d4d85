"""A neighbour that holds the keys and says anything: what it seals reaches all of a node that a stranger's bytes can't.

The others are nodes of an open network, members of a private one, or nodes whose tables are smaller than the network.

An input is a list of acts, each a byte, a length of two bytes and as many bytes. The nodes go on from one input to the next for
a while, so that what harms by its sum shows too; what is kept of a find is all acts since they began.
"""

import gc
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.link.link import LinkState
from mycelium.node.node import Node
from mycelium.wire.frame import DATA, FRAME_HEADER
from mycelium.wire.frame import UNSEALED as UNSEALED_FRAME
from mycelium.wire.train import SESSION_PROOF, TRAIN_HEADER, UNSEALED
from sim.net.network import PORT
from sim.net.node_net import NodeNet
from tests.node.test_hostile import check_bounds
from tests.support.members import MemberNet
from tests.support.small_meshes import deliver, is_whole, ready_line

INPUTS_PER_MESH: Final = 400
BODY_BYTES: Final = 1_100  # in one act: what fits one datagram, sealed
STRANGER: Final = Endpoint("udp", "203.0.113.9", PORT)
STEP_S: Final = 0.001  # between acts
HEAD: Final = struct.Struct("!BH")


class FuzzAct(IntEnum):
    """What the attacker does."""

    FRAME = 0
    CONTROL = 1
    TRAIN_TO_B = 2
    TRAIN_TO_C = 3
    ITEMS_TO_B = 4
    ITEMS_TO_C = 5
    DATAGRAM = 6
    OF_A_STRANGER = 7
    WAIT = 8


def act(kind: int, body: bytes) -> bytes:
    """Returns an act as a part of an input."""
    return HEAD.pack(kind, len(body)) + body


def acts_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the acts of an input; a last one that is cut off has what is there."""
    at = 0
    while at + HEAD.size <= len(data):
        number, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        yield number, data[at : at + length][:BODY_BYTES]
        at += length


def open_line() -> NodeNet:
    """Returns nodes of the open network in a line."""
    return ready_line("abc")


def member_line() -> NodeNet:
    """Returns members of a private network in a line, each behind its gate."""
    members = MemberNet()
    for name in "abc":
        members.add(name)
    net = members.net
    net.join("a", "b")
    net.join("b", "c")
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    return net


def scoped_line() -> NodeNet:
    """Returns a line of nodes whose tables have room for one other, which neighbours share, but for landmarks and pins."""
    net = ready_line("abc")
    for host in net.hosts.values():
        scope = host.node.routing._scope
        scope.is_limited, scope._least, scope._most, scope._uncut, scope._shared = True, 2, 2, 2, 1
    return net


class FuzzedMesh:
    """A line of nodes a - b - c of which `a` attacks, over its link with b and its sessions with b and c."""

    def __init__(self, make: Callable[[], NodeNet]) -> None:
        self.net = make()
        deliver(self.net, "a", "b")
        deliver(self.net, "a", "c")
        self.acted = b""
        self.inputs = 0

    def is_spent(self) -> bool:
        """Tells whether another mesh is to be attacked now: the attacker has lost its link or a session, or there was much."""
        link, sessions = self._node.links.get(self._address("b")), self._node.sessions.by_peer
        is_linked = link is not None and link.state is not LinkState.DOWN
        has_sessions = all(
            (known := sessions.get(self._address(name))) is not None and known.sending is not None for name in "bc"
        )
        return self.inputs >= INPUTS_PER_MESH or not (is_linked and has_sessions)

    def attack(self, data: bytes) -> None:
        """Does what an input says, and asserts that no table of the others has outgrown its bounds."""
        self.inputs += 1
        for number, body in acts_of(data):
            if self.is_spent() and self.inputs < INPUTS_PER_MESH:
                break
            self.acted += act(number, body)
            self._do(FuzzAct(number % len(FuzzAct)), body)
            self.net.drain("a")
            self.net.run(STEP_S)
        for name in "bc":
            check_bounds(self.net.hosts[name])

    def _do(self, kind: FuzzAct, body: bytes) -> None:
        match kind:
            case FuzzAct.FRAME:
                self._frame(body)
            case FuzzAct.CONTROL:
                self._control(body)
            case FuzzAct.TRAIN_TO_B | FuzzAct.TRAIN_TO_C:
                self._train("b" if kind is FuzzAct.TRAIN_TO_B else "c", body)
            case FuzzAct.ITEMS_TO_B | FuzzAct.ITEMS_TO_C:
                self._items("b" if kind is FuzzAct.ITEMS_TO_B else "c", body)
            case FuzzAct.DATAGRAM | FuzzAct.OF_A_STRANGER:
                self.net.inject("b", STRANGER if kind is FuzzAct.OF_A_STRANGER else self.net.hosts["a"].endpoint, body)
            case FuzzAct.WAIT:
                self.net.run((body[0] if body else 1) / 64)

    @property
    def _node(self) -> Node:
        return self.net.hosts["a"].node

    def _address(self, name: str) -> bytes:
        return self.net.hosts[name].address

    def _frame(self, body: bytes) -> None:
        """Any frame: its kind, and what is in it."""
        plain = memoryview(bytearray(FRAME_HEADER.size) + body[1:])
        self._node.links[self._address("b")].frames.send(body[0] if body else 0, plain, now=self.net.now)

    def _control(self, body: bytes) -> None:
        """Control messages, in order."""
        control = self._node.links[self._address("b")]._control
        if body:
            control._channel.send(body)
        control.flush(now=self.net.now)

    def _train(self, name: str, body: bytes) -> None:
        """A train with a head that makes sense: its type, and what is in it."""
        kind, rest = (body[0], body[1:]) if body else (0, b"")
        session = self._node.sessions.by_peer[self._address(name)]
        keys = session.sending
        if kind == SESSION_PROOF and keys is not None:  # the only one besides data that is sealed
            self._node.sessions._proving._send_plain(session, keys, rest, now=self.net.now)
            return
        index = 0 if keys is None else keys.remote_index
        ends = self._address(name), self._address("a")
        is_unsealed = kind == UNSEALED and keys is not None
        number = keys.sealing.skip(len(rest)) if is_unsealed and keys is not None else 1
        frame_kind = UNSEALED_FRAME if is_unsealed else DATA
        self._frame(bytes((frame_kind,)) + TRAIN_HEADER.pack(64, 0, kind, 0, len(rest), index, number, *ends) + rest)

    def _items(self, name: str, body: bytes) -> None:
        """Items inside a session, sealed for its other end: any bytes in place of them."""
        sending, now = self._node.sending, self.net.now
        session = self._node.sessions.by_peer[self._address(name)]
        egress = sending._egress(session.peer)
        if egress is not None:
            sending._seal_train(egress, session, (0, 64, session.peer), memoryview(body), 0, now=now)
            sending.flush(now=now)


class FuzzingNeighbour:
    """Attacks one mesh after the other."""

    def __init__(self, make: Callable[[], NodeNet]) -> None:
        self._make = make
        self._mesh = FuzzedMesh(make)

    def __call__(self, data: bytes) -> None:
        """Attacks with an input; what goes wrong is raised as a Find."""
        if self._mesh.is_spent():
            self._mesh = FuzzedMesh(self._make)
            gc.collect()  # so that what the process holds is what the nodes hold
        try:
            self._mesh.attack(data)
        except Exception as error:
            raise Find(self._mesh.acted) from error


class Find(Exception):
    """What has gone wrong, with all acts that led there."""

    def __init__(self, acted: bytes) -> None:
        super().__init__(f"after {len(acted)} bytes of acts")
        self.acted = acted
