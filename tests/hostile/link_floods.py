"""What a neighbour can send on its link besides control messages, as fast as it can; each act is one frame."""

import os
from collections.abc import Callable
from itertools import cycle
from typing import Final

from mycelium.crypto.session_handshake import SessionInitiator, prologue
from mycelium.wire.frame import (
    CONTROL,
    DATA,
    PROBE,
    PROBE_BODY,
    PROBE_WANTS_REPLY,
    RATE,
    RATE_BODY,
    REPAIR,
    REPAIR_HEAD,
    REPAIR_RANGE,
    WHOLE_FRAME,
)
from mycelium.wire.train import DATA as DATA_TRAIN
from mycelium.wire.train import (
    ERROR,
    ERROR_BODY_BYTES,
    SESSION_REQUEST,
    SESSION_REQUEST_BYTES,
    TRAIN_HEADER,
    handshake_counter,
)
from tests.hostile.attacker import SETTINGS, Attacker

DIFFERENT: Final = 256  # frames that are sent by turns
NOWHERE: Final = b"\x04" + bytes(15)
UNKNOWN_KIND: Final = 99

Act = Callable[[], None]


def send_junk(attacker: Attacker) -> Act:
    """Frames that open, with contents that make no sense, of every kind there is and one that there is not."""
    kinds = cycle((CONTROL, PROBE, DATA, REPAIR, RATE, UNKNOWN_KIND))
    return lambda: attacker.send(next(kinds), os.urandom(64))


def probe_without_end(attacker: Attacker) -> Act:
    """Probes that want replies."""
    body = PROBE_BODY.pack(PROBE_WANTS_REPLY, bytes(3), 1, 0, 0)
    return lambda: attacker.send(PROBE, body)


def ask_for_repairs(attacker: Attacker) -> Act:
    """Requests for all of the newest frames that the victim has sent, and news of a slow path."""
    rate = RATE_BODY.pack(1)
    turns = cycle(range(16))

    def act() -> None:
        if not next(turns):
            attacker.send(RATE, rate)
            return
        keypair = attacker.link.keypairs.sending
        newest = max(keypair.gaps.newest, 1)
        wanted = [REPAIR_RANGE.pack(counter, 0, WHOLE_FRAME) for counter in range(max(1, newest - 64), newest + 1)]
        attacker.send(REPAIR, REPAIR_HEAD.pack(keypair.local_index) + b"".join(wanted))

    return act


def draw_errors(attacker: Attacker) -> Act:
    """Trains to nowhere from sources that never sent any, and errors of relays about trains that nobody sent."""
    victim = attacker.link.address
    lost = [_train(DATA_TRAIN, NOWHERE, attacker.identity.address, os.urandom(64)) for _ in range(DIFFERENT)]
    lies = [_train(ERROR, victim, attacker.identity.address, os.urandom(ERROR_BODY_BYTES)) for _ in range(DIFFERENT)]
    trains = cycle([train for pair in zip(lost, lies, strict=True) for train in pair])
    return lambda: attacker.send(DATA, next(trains))


def request_sessions(attacker: Attacker) -> Act:
    """Requests for sessions with the victim, from the attacker, each another handshake."""
    trains = cycle([_session_request(attacker) for _ in range(DIFFERENT)])
    return lambda: attacker.send(DATA, next(trains))


def request_broken_sessions(attacker: Attacker) -> Act:
    """Requests for sessions that no key of anybody is behind."""
    victim = attacker.link.address
    trains = cycle(
        [
            _train(
                SESSION_REQUEST, victim, attacker.identity.address, os.urandom(SESSION_REQUEST_BYTES), counter=number
            )
            for number in range(DIFFERENT)
        ]
    )
    return lambda: attacker.send(DATA, next(trains))


def _session_request(attacker: Attacker) -> bytes:
    victim, own = attacker.link.address, attacker.identity.address
    known = attacker.node.routing.resolve(victim)
    assert known is not None, "the victim has announced itself"
    index = int.from_bytes(os.urandom(4), "big")
    initiator = SessionInitiator(
        attacker.node.sessions._config,
        known.signing_public_key,
        local_index=index,
        prologue=prologue(own, victim, initiator_index=index, offered=SETTINGS.suites),
    )
    return _train(SESSION_REQUEST, victim, own, initiator.request, counter=handshake_counter(index, SETTINGS.suites))


def _train(kind: int, destination: bytes, source: bytes, body: bytes, *, counter: int = 1) -> bytes:
    return TRAIN_HEADER.pack(64, 0, kind, 0, len(body), 0, counter, destination, source) + body
