"""What a node can send end to end, as fast as it can, once it has a session with the victim; each act is one train."""

import os
from collections.abc import Callable
from itertools import cycle
from time import monotonic
from typing import Final

from mycelium.session.session import Session
from mycelium.wire.reachability import TOKEN_BYTES, ProbeKind, Reach, encode_reach
from mycelium.wire.speed import SENDS_LOAD, SpeedHead, SpeedKind, encode_speed
from mycelium.wire.speed import TOKEN_BYTES as SPEED_TOKEN_BYTES
from mycelium.wire.train import ITEM_REACHABILITY, ITEM_SPEED
from sim.play.pings import udp_packet
from tests.hostile.attacker import TURN_S, Attacker
from tests.lab.waiting import wait_until

DIFFERENT: Final = 256  # trains that are sent by turns
SESSION_S: Final = 20.0

Act = Callable[[], None]


def send_hints(attacker: Attacker) -> Act:
    """Hints that other nodes do not answer, and probes that want answers over all ways."""
    own, victim = attacker.identity.address, attacker.link.address
    hints = [Reach(ProbeKind.LOOK, bytes(TOKEN_BYTES), node) for node in attacker.node.routing.nodes()]
    probes = [Reach(ProbeKind.EXPLORE, os.urandom(TOKEN_BYTES)) for _ in hints]
    told = [encode_reach(one) for one in (*hints, *probes) if one.node not in (own, victim)]
    return _sending(attacker, ITEM_REACHABILITY, told)


def request_speed_tests(attacker: Attacker) -> Act:
    """Requests for speed tests, each another one."""
    heads = [SpeedHead(SpeedKind.REQUEST, os.urandom(SPEED_TOKEN_BYTES), SENDS_LOAD, 1.0) for _ in range(DIFFERENT)]
    return _sending(attacker, ITEM_SPEED, [encode_speed(head) for head in heads])


def send_denied_packets(attacker: Attacker) -> Act:
    """Packets to ports of the victim that its policy lets nobody reach."""
    _session(attacker)
    own, victim = attacker.identity.address, attacker.link.address
    packets = cycle([udp_packet(own, victim, os.urandom(64)) for _ in range(DIFFERENT)])
    return lambda: attacker.node.sending.send_packet(next(packets), now=monotonic())


def _sending(attacker: Attacker, kind: int, contents: list[bytes]) -> Act:
    session, turns = _session(attacker), cycle(contents)

    def act() -> None:
        attacker.node.sending.send_item(session, kind, next(turns), now=monotonic())

    return act


def _session(attacker: Attacker) -> Session:
    """Returns a session with the victim that has keys."""
    sessions = attacker.node.sessions
    session = sessions.find(attacker.link.address, now=monotonic())

    def is_ready() -> bool:
        if session.sending is None:
            sessions.request(session, now=monotonic())
        attacker.turn()
        return session.sending is not None

    wait_until(is_ready, SESSION_S, "the attacker has a session", every_s=TURN_S)
    return session
