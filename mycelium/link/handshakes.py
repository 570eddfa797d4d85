"""Link handshakes under way, as initiator and as responder: their tables, timers and bounds.

The messages are made and read by `crypto.link_handshake`; `crypto.cookies` decides which first messages are answered at all,
`peering.dialler` which handshakes are started.
"""

import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from msgspec import Struct

from mycelium.counters import counter
from mycelium.crypto.cookies import HandshakeGate
from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.endpoint import Endpoint, is_same_remote
from mycelium.errors import HandshakeError, OwnKey, WrongKey
from mycelium.limits import HALF_OPEN_HANDSHAKES, HANDSHAKES_REMEMBERED
from mycelium.link.causes import (
    BUSY,
    NO_ANSWER,
    NO_ANSWER_IN_STREAM,
    SAME_KEY,
    THIS_NODE,
    UNAUTHENTIC,
    other_version,
    wrong_key,
)
from mycelium.medium import medium_of
from mycelium.outbox import Outbox
from mycelium.timing import Backoff
from mycelium.wire.datagram import (
    COOKIE,
    HANDSHAKE_1,
    HANDSHAKE_1_HEAD,
    HANDSHAKE_2,
    HANDSHAKE_3,
    PROTOCOL_VERSION,
)

FIRST_RETRANSMIT_S: Final = 0.25
RETRANSMIT_FACTOR: Final = 1.5
RETRANSMIT_CEILING_S: Final = 0.5
RETRANSMIT_JITTER: Final = 0.1
INITIATOR_PATIENCE_S: Final = 6.0
RESPONDER_PATIENCE_S: Final = 10.0
REPLIES_PER_HANDSHAKE: Final = 5  # copies of message 2, each for one copy of message 1
# What is said of a datagram to the neighbour holds for those sent this much later: hosts send few ICMP errors a second.
REPORT_VALID_S: Final = 4.5

_EPHEMERAL: Final = slice(HANDSHAKE_1_HEAD.size, HANDSHAKE_1_HEAD.size + 32)


class Pace(Struct, frozen=True):
    """When an initiator sends message 1 again, and when it gives up; seconds."""

    first_s: float
    factor: float
    ceiling_s: float
    patience_s: float


CALM: Final = Pace(FIRST_RETRANSMIT_S, RETRANSMIT_FACTOR, RETRANSMIT_CEILING_S, INITIATOR_PATIENCE_S)


class Completed:
    """A completed handshake: the keys and the endpoint it ran over. An initiator resends `message_3` until it hears a frame."""

    __slots__ = ("endpoint", "keys", "message_3")

    def __init__(self, keys: AgreedKeys, endpoint: Endpoint, message_3: bytes | None) -> None:
        self.keys = keys
        self.endpoint = endpoint
        self.message_3 = message_3  # None for the responder


class Failed(NamedTuple):
    """A handshake of ours that has failed: what `begin` returned, and why, for people."""

    handshake: int
    cause: str


class _Initiation:
    __slots__ = (
        "answered",
        "backoff",
        "endpoint",
        "give_up",
        "message_1",
        "next_send",
        "noise",
        "reported",
        "reported_at",
    )

    def __init__(
        self, noise: LinkInitiator, endpoint: Endpoint, *, backoff: Backoff, patience_s: float, now: float
    ) -> None:
        self.noise = noise
        self.endpoint = endpoint
        self.message_1 = noise.message_1()
        self.backoff = backoff
        self.next_send = now
        self.give_up = now + patience_s
        self.answered = ""  # what came in place of a valid message 2
        self.reported = ""  # why what was sent lately did not arrive
        self.reported_at = now

    def cause(self, *, now: float) -> str:
        """Returns why there is no answer, as far as it is known."""
        if self.reported and now - self.reported_at <= REPORT_VALID_S:
            return self.reported
        is_stream = medium_of(self.endpoint.scheme).is_reliable
        return self.answered or (NO_ANSWER_IN_STREAM if is_stream else NO_ANSWER)


class _Response:
    __slots__ = ("endpoint", "ephemeral", "forget", "message_2", "noise", "replies")

    def __init__(
        self, noise: LinkResponder, endpoint: Endpoint, ephemeral: bytes, message_2: bytes, *, now: float
    ) -> None:
        self.noise = noise
        self.endpoint = endpoint
        self.ephemeral = ephemeral
        self.message_2 = message_2
        self.replies = 1
        self.forget = now + RESPONDER_PATIENCE_S


@dataclass(slots=True)
class HandshakeCounters:
    """Totals since the node started; `HandshakeGate` counts the first messages."""

    handshakes_refused: int = counter("Handshake messages dropped: not authentic, or unexpected.")
    handshakes_repeated: int = counter("Handshake messages that came again after their handshake was complete.")
    handshakes_given_up: int = counter("Handshakes given up: no answer.")


class Handshakes:
    """The handshakes that this node started, and those it has answered and not seen completed, by its own index."""

    def __init__(
        self,
        config: HandshakeConfig,
        *,
        rng: random.Random,
        outbox: Outbox,
        new_index: Callable[[], int],
    ) -> None:
        self._config = config
        self._rng = rng
        self._outbox = outbox
        self._new_index = new_index
        self._gate = HandshakeGate(psk=config.psk, entropy=config.entropy)
        self._initiations: dict[int, _Initiation] = {}
        self._responses: dict[int, _Response] = {}
        self._response_of: dict[bytes, int] = {}  # ephemeral key of message 1 -> our index
        self._completed: deque[int] = deque(maxlen=HANDSHAKES_REMEMBERED)  # our indices, newest last
        self._failed: list[Failed] = []
        self.is_paused = False  # while True, no handshake is answered
        self.counters = HandshakeCounters()
        self.gate_counters = self._gate.counters

    def holds(self, index: int) -> bool:
        """Tells whether an index belongs to a handshake."""
        return index in self._initiations or index in self._responses

    def begin(self, endpoint: Endpoint, *, pin: bytes | None, pace: Pace = CALM, now: float) -> int:
        """Starts a handshake with whoever is at `endpoint`, or only with the holder of the X25519 key `pin`.

        Returns its index, which the keys will have as `local_index`.
        """
        index = self._new_index()
        noise = LinkInitiator(self._config, local_index=index, pin=pin)
        backoff = Backoff(
            pace.first_s,
            factor=pace.factor,
            ceiling=pace.ceiling_s,
            jitter=RETRANSMIT_JITTER,
            rng=self._rng,
        )
        one = self._initiations[index] = _Initiation(
            noise, endpoint, backoff=backoff, patience_s=pace.patience_s, now=now
        )
        self._outbox.indices_changed()
        self._send_message_1(one, now=now)
        return index

    def abandon(self, index: int) -> None:
        """Ends a handshake that `begin` started, if it is still under way."""
        if index in self._initiations:
            self._end(index)

    @property
    def own_indices(self) -> Collection[int]:
        """The indices that answers to this node's handshakes name."""
        return self._initiations.keys()

    @property
    def has_failed(self) -> bool:
        """Tells whether `take_failed` has something."""
        return bool(self._failed)

    def take_failed(self) -> list[Failed]:
        """Returns the handshakes that were given up since the last call."""
        failed, self._failed = self._failed, []
        return failed

    def reported(self, endpoint: Endpoint, cause: str, *, now: float) -> None:
        """Takes why a datagram to an endpoint did not arrive, as this host or, perhaps forged, the network says.

        It ends nothing: the next one may arrive.
        """
        for one in self._initiations.values():
            if is_same_remote(one.endpoint, endpoint):
                one.reported, one.reported_at = cause, now

    def receive(self, endpoint: Endpoint, datagram: memoryview, *, now: float) -> Completed | None:
        """Takes one handshake or cookie datagram; returns the handshake that it completes, if it does."""
        if self.is_paused:
            self.counters.handshakes_refused += 1
            return None
        kind = datagram[0]
        data = bytes(datagram)
        try:
            if kind == HANDSHAKE_1:
                self._receive_message_1(endpoint, data, now=now)
            elif kind == HANDSHAKE_2:
                return self._receive_message_2(endpoint, data)
            elif kind == HANDSHAKE_3:
                return self._receive_message_3(endpoint, data)
            elif kind == COOKIE:
                self._receive_cookie(data)
        except HandshakeError:
            self.counters.handshakes_refused += 1
        return None

    def handle_timeout(self, *, now: float) -> None:
        """Sends first messages again and gives up handshakes, whatever is due."""
        for index, one in list(self._initiations.items()):
            if now >= one.give_up:
                self._end(index)
                self.counters.handshakes_given_up += 1
                self._failed.append(Failed(index, one.cause(now=now)))
            elif now >= one.next_send:
                self._send_message_1(one, now=now)
        for index, response in list(self._responses.items()):
            if now >= response.forget:
                self._forget_response(index)

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next; infinity for never."""
        sends = min((min(one.next_send, one.give_up) for one in self._initiations.values()), default=inf)
        return min(sends, min((one.forget for one in self._responses.values()), default=inf))

    def _send(self, endpoint: Endpoint, datagram: bytes) -> None:
        self._outbox.transmits.append((endpoint, [memoryview(datagram)], len(datagram), False))

    def _send_message_1(self, one: _Initiation, *, now: float) -> None:
        self._send(one.endpoint, one.message_1)
        one.next_send = now + one.backoff.next()

    def _receive_message_1(self, endpoint: Endpoint, data: bytes, *, now: float) -> None:
        known = self._responses.get(self._response_of.get(data[_EPHEMERAL], 0))
        if known is not None:
            self._answer_again(known, endpoint)
            return
        admission = self._gate.admit(data, source=endpoint.host, now=now)
        if admission.cookie is not None:
            self._send(endpoint, admission.cookie)
        if not admission.accepted:
            return
        index = self._new_index()
        noise = LinkResponder(self._config, local_index=index)
        message_2 = noise.receive_message_1(data)
        if len(self._responses) >= HALF_OPEN_HANDSHAKES:
            self._forget_response(next(iter(self._responses)))
        ephemeral = data[_EPHEMERAL]
        self._responses[index] = _Response(noise, endpoint, ephemeral, message_2, now=now)
        self._response_of[ephemeral] = index
        self._send(endpoint, message_2)

    def _answer_again(self, response: _Response, endpoint: Endpoint) -> None:
        """Repeats message 2, which the initiator missed. A copy of message 1 from another address is a replay: no answer."""
        if endpoint == response.endpoint and response.replies < REPLIES_PER_HANDSHAKE:
            response.replies += 1
            self._send(endpoint, response.message_2)

    def _receive_message_2(self, endpoint: Endpoint, data: bytes) -> Completed | None:
        index = int.from_bytes(data[8:12], "big")
        one = self._initiations.get(index)
        if one is None and self._is_repeated(index):
            return None
        if one is None or not is_same_remote(one.endpoint, endpoint):
            raise HandshakeError("message 2 for no handshake of ours")
        if data[1] != PROTOCOL_VERSION:
            one.answered = other_version(data[1])
            raise HandshakeError("message 2 of another version")
        try:
            message_3, keys = one.noise.receive_message_2(data)
        except HandshakeError as error:
            self._take_refusal(index, one, data, error)
            raise
        self._end(index)
        self._completed.append(index)
        self._send(endpoint, message_3)
        return Completed(keys, endpoint, message_3)

    def _take_refusal(self, index: int, one: _Initiation, data: bytes, error: HandshakeError) -> None:
        """Ends a handshake whose message 2 is genuine but of the wrong node; keeps in mind what else is wrong with one."""
        match error:
            case WrongKey():
                self._fail(index, wrong_key(error.key, error.pin))
            case OwnKey() if self._has_sent(data):
                self._fail(index, THIS_NODE)
            case OwnKey():
                one.answered = SAME_KEY  # an unproved claim: its answer may be forged
            case _:
                one.answered = UNAUTHENTIC

    def _has_sent(self, message_2: bytes) -> bool:
        response = self._responses.get(int.from_bytes(message_2[4:8], "big"))
        return response is not None and response.message_2 == message_2

    def _end(self, index: int) -> None:
        del self._initiations[index]
        self._outbox.indices_changed()

    def _fail(self, index: int, cause: str) -> None:
        self._end(index)
        self._failed.append(Failed(index, cause))

    def _is_repeated(self, index: int) -> bool:
        """Counts a message of a handshake that is complete: its sender could not know that the first one had arrived."""
        is_repeated = index in self._completed
        self.counters.handshakes_repeated += is_repeated
        return is_repeated

    def _receive_message_3(self, endpoint: Endpoint, data: bytes) -> Completed | None:
        index = int.from_bytes(data[4:8], "big")
        response = self._responses.get(index)
        if response is None and self._is_repeated(index):
            return None
        if response is None or not is_same_remote(response.endpoint, endpoint):
            raise HandshakeError("message 3 for no handshake of ours")
        keys = response.noise.receive_message_3(data)
        self._forget_response(index)
        self._completed.append(index)
        return Completed(keys, endpoint, None)

    def _receive_cookie(self, data: bytes) -> None:
        one = self._initiations.get(int.from_bytes(data[4:8], "big"))
        if one is None:
            raise HandshakeError("cookie for no handshake of ours")
        one.noise.receive_cookie(data)
        one.answered = BUSY
        one.message_1 = one.noise.message_1()
        self._send(one.endpoint, one.message_1)

    def _forget_response(self, index: int) -> None:
        response = self._responses.pop(index)
        self._response_of.pop(response.ephemeral, None)
