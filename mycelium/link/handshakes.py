"""Link handshakes under way, as initiator and as responder: their tables, timers and bounds.

The messages are made and read by `crypto.link_handshake`; `crypto.cookies` decides which first messages are answered at all,
`peering.dialler` which handshakes are started.
"""

import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Final, NamedTuple

from msgspec import Struct

from mycelium.crypto.cookies import HandshakeGate, digest_of
from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.endpoint import Endpoint, is_same_remote
from mycelium.errors import HandshakeError, OwnKey, WrongKey
from mycelium.limits import HALF_OPEN_HANDSHAKES, HANDSHAKES_REMEMBERED
from mycelium.link.causes import BUSY, SAME_KEY, THIS_NODE, UNAUTHENTIC, other_version, wrong_key
from mycelium.link.counters import HandshakeCounters
from mycelium.link.crowds import Crowds
from mycelium.link.handshake_attempts import TIMELY_COPIES, Early, InitiatorAttempt, Question, ResponderAttempt
from mycelium.link.handshake_parts import HandshakeParts, cut, may_be_narrow
from mycelium.outbox import Outbox
from mycelium.timing import Backoff, Deadlines
from mycelium.wire.datagram import (
    COOKIE,
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_2,
    HANDSHAKE_3,
    HANDSHAKE_PART,
    PROTOCOL_VERSION,
)

FIRST_RETRANSMIT_S: Final = 0.25
RETRANSMIT_FACTOR: Final = 1.5
RETRANSMIT_CEILING_S: Final = 0.5
RETRANSMIT_JITTER: Final = 0.1
INITIATOR_PATIENCE_S: Final = 6.0
REPLIES_PER_HANDSHAKE: Final = 5  # copies of message 2, each for one copy of message 1, and as many in parts


class Pace(Struct, frozen=True):
    """When an initiator sends message 1 again, and when it gives up; seconds."""

    first_s: float
    factor: float
    ceiling_s: float
    patience_s: float


CALM: Final = Pace(FIRST_RETRANSMIT_S, RETRANSMIT_FACTOR, RETRANSMIT_CEILING_S, INITIATOR_PATIENCE_S)


class Completed:
    """A completed handshake: the keys and the endpoint it ran over. An initiator resends `message_3` until it hears a frame."""

    __slots__ = ("early", "endpoint", "is_narrow", "keys", "message_3")

    def __init__(
        self,
        keys: AgreedKeys,
        endpoint: Endpoint,
        message_3: bytes | None,
        *,
        early: Sequence[Early] = (),
        is_narrow: bool = False,
    ) -> None:
        self.early = early
        self.keys = keys
        self.endpoint = endpoint
        self.is_narrow = is_narrow  # message 2 needed parts
        self.message_3 = message_3  # None for the responder


class Failed(NamedTuple):
    """A handshake of ours that has failed: what `begin` returned, and why, for people."""

    handshake: int
    cause: str


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
        self._gate = HandshakeGate(psk=config.psk, own_key=config.identity.exchange_public_key, entropy=config.entropy)
        self._initiations: dict[int, InitiatorAttempt] = {}
        self._due: Deadlines[int] = Deadlines()  # of initiations
        self._responses: dict[int, ResponderAttempt] = {}  # the oldest first, which is forgotten first
        self._response_of: dict[Question, int] = {}  # our index
        self._over: deque[int] = deque(maxlen=HANDSHAKES_REMEMBERED)  # our indices, newest last
        self._failed: list[Failed] = []
        self.is_paused = False  # while True, no handshake is answered
        self.counters = HandshakeCounters()
        self._parts = HandshakeParts(self.counters)
        self.gate_counters = self._gate.counters
        self.crowds = Crowds()

    def set_clock(self, unix_s: float, *, now: float) -> None:
        """Takes the time of day, in seconds since 1970. A wrong one makes handshakes slower."""
        self._gate.unix_offset_s = unix_s - now

    def holds(self, index: int) -> bool:
        """Tells whether an index belongs to a handshake."""
        return index in self._initiations or index in self._responses

    def begin(self, endpoint: Endpoint, *, pin: bytes | None, pace: Pace = CALM, now: float) -> int:
        """Starts a handshake with whoever is at `endpoint`, or only with the holder of the X25519 key `pin`.

        Returns its index, which the keys will have as `local_index`.
        """
        index = self._new_index()
        noise = LinkInitiator(self._config, local_index=index, pin=pin, period=self._gate.period(now=now))
        backoff = Backoff(
            pace.first_s,
            factor=pace.factor,
            ceiling=pace.ceiling_s,
            jitter=RETRANSMIT_JITTER,
            rng=self._rng,
        )
        one = self._initiations[index] = InitiatorAttempt(
            noise, endpoint, backoff=backoff, patience_s=pace.patience_s, now=now
        )
        if pace is not CALM:  # how often datagrams are sent matters, as to addresses that others name
            one.whole_sends = inf
        self._outbox.indices_changed()
        self._send_message_1(index, one, now=now)
        return index

    def abandon(self, index: int) -> None:
        """Ends a handshake that `begin` started, if it is still under way."""
        if index in self._initiations:
            self._end(index)

    @property
    def own_indices(self) -> Collection[int]:
        """The indices that answers to this node's handshakes name."""
        return self._initiations.keys()

    def drop_all(self, cause: str) -> None:
        """Ends all of them, those that this node began as failed."""
        for index in list(self._initiations):
            self._fail(index, cause)
        for index in list(self._responses):
            self._forget_response(index)

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
        try:
            if datagram[0] != HANDSHAKE_PART:
                return self._receive(endpoint, bytes(datagram), in_parts=False, now=now)
            message = self._parts.add(endpoint, bytes(datagram))
            if message is not None:
                return self._receive(endpoint, message, in_parts=True, now=now)
        except HandshakeError:
            self.counters.handshakes_refused += 1
        return None

    def keep_early(
        self, index: int, endpoint: Endpoint, burst: memoryview, segment_size: int, *, arrived_at: float
    ) -> bool:
        """Keeps datagrams of a link that wait for message 3 of its handshake; returns False if there is none, or no room.

        They overtook it on the way, or in this host, where handshakes have a socket of their own.
        """
        response = self._responses.get(index)
        if response is None or not is_same_remote(response.endpoint, endpoint):
            return False
        return response.keep_early(endpoint, burst, segment_size, arrived_at=arrived_at)

    def _receive(self, endpoint: Endpoint, data: bytes, *, in_parts: bool, now: float) -> Completed | None:
        kind = data[0]
        if kind == HANDSHAKE_1:
            self._receive_message_1(endpoint, data, in_parts=in_parts, now=now)
        elif kind == HANDSHAKE_2:
            return self._receive_message_2(endpoint, data, in_parts=in_parts)
        elif kind == HANDSHAKE_3:
            return self._receive_message_3(endpoint, data)
        elif kind == COOKIE:
            self._receive_cookie(endpoint, data)
        return None

    def refused(self, endpoint: Endpoint, size: int) -> None:
        """Sends messages to an endpoint in parts: a datagram of `size` bytes was too long to leave this host."""
        if size > HANDSHAKE_1_BYTES or not may_be_narrow(endpoint):
            return
        for one in self._initiations.values():
            if one.endpoint == endpoint and not one.is_narrow:
                one.is_narrow = True
                self._send_parts(endpoint, one.noise.message_1)
        for response in self._responses.values():
            if response.endpoint == endpoint and not response.is_narrow:
                response.is_narrow = True
                self._send_parts(endpoint, response.message_2)

    def handle_timeout(self, *, now: float) -> None:
        """Sends first messages again and gives up handshakes, whatever is due."""
        for index in self._due.take_due(now=now):
            one = self._initiations[index]
            if now >= one.give_up:
                self._end(index)
                self.counters.handshakes_given_up += 1
                self._failed.append(Failed(index, one.cause(now=now)))
            else:
                self._send_message_1(index, one, now=now)
        for index, response in list(self._responses.items()):
            if now < response.forget:
                break
            self._forget_response(index)

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next; infinity for never."""
        return min(self._due.next(), next((one.forget for one in self._responses.values()), inf))

    def _send(self, endpoint: Endpoint, datagram: bytes) -> None:
        self._outbox.transmits.append((endpoint, [memoryview(datagram)], len(datagram), False, 0))

    def _send_parts(self, endpoint: Endpoint, message: bytes) -> None:
        for part in cut(message):
            self._send(endpoint, part)

    def _send_message_1(self, index: int, one: InitiatorAttempt, *, now: float) -> None:
        self._send_copy(one, one.noise.message_1 if one.copies < TIMELY_COPIES else one.noise.asking_message_1)
        one.copies += 1
        if one.with_cookie is not None:
            self._send_copy(one, one.with_cookie)
        one.whole_sends -= 1
        one.cookies, one.with_cookie = 0, None
        self._due.set(index, min(now + one.backoff.next(), one.give_up))

    def _send_copy(self, one: InitiatorAttempt, message_1: bytes) -> None:
        if not one.is_narrow:
            self._send(one.endpoint, message_1)
        if one.is_narrow or one.whole_sends <= 0:
            self._send_parts(one.endpoint, message_1)

    def _receive_message_1(self, endpoint: Endpoint, data: bytes, *, in_parts: bool, now: float) -> None:
        question = endpoint, digest_of(data)
        known = self._responses.get(self._response_of.get(question, 0))
        if known is not None:
            if known.replies[in_parts] < REPLIES_PER_HANDSHAKE:
                self._answer(known, in_parts=in_parts)
            else:
                self.crowds.note(endpoint.host, is_proven=False, now=now)
            return
        admission = self._gate.admit(data, source=endpoint.host, now=now)
        if admission.cookie is not None:
            self._send(endpoint, admission.cookie)
        if not admission.accepted:
            self.crowds.note(endpoint.host, is_proven=admission.is_over_budget, now=now)
            return
        index = self._new_index()
        noise = LinkResponder(self._config, local_index=index)
        message_2 = noise.receive_message_1(data)
        if len(self._responses) >= HALF_OPEN_HANDSHAKES:
            self._forget_response(next(iter(self._responses)))
        response = self._responses[index] = ResponderAttempt(noise, question, message_2, now=now)
        self._response_of[question] = index
        self._answer(response, in_parts=in_parts)

    def _answer(self, response: ResponderAttempt, *, in_parts: bool) -> None:
        """Sends message 2 as message 1 came, so that the answer is never longer than the question."""
        if in_parts:
            response.is_narrow = True
            self._send_parts(response.endpoint, response.message_2)
        else:
            self._send(response.endpoint, response.message_2)
        response.replies[in_parts] += 1

    def _receive_message_2(self, endpoint: Endpoint, data: bytes, *, in_parts: bool) -> Completed | None:
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
        self._send(endpoint, message_3)
        return Completed(keys, endpoint, message_3, is_narrow=in_parts)

    def _take_refusal(self, index: int, one: InitiatorAttempt, data: bytes, error: HandshakeError) -> None:
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
        self._due.drop(index)
        self._over.append(index)
        self._outbox.indices_changed()

    def _fail(self, index: int, cause: str) -> None:
        self._end(index)
        self._failed.append(Failed(index, cause))

    def _is_repeated(self, index: int) -> bool:
        """Counts a message of a handshake that is over: its sender could not know that."""
        is_repeated = index in self._over
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
        early, response.early = response.early, []
        self._forget_response(index)
        return Completed(keys, endpoint, None, early=early, is_narrow=response.is_narrow)

    def _receive_cookie(self, endpoint: Endpoint, data: bytes) -> None:
        """Answers a cookie by message 1 with what proves it: the first cookie at once, one of the others by the next copy.

        That copy is sent anyway where no answer comes; it proves any of those cookies with the same likelihood.
        In an open network anybody who sees message 1 can make cookies: they must neither keep out the genuine one nor have
        much sent.
        """
        index = int.from_bytes(data[4:8], "big")
        one = self._initiations.get(index)
        if one is None and self._is_repeated(index):
            return
        if one is None or not is_same_remote(one.endpoint, endpoint):
            raise HandshakeError("cookie for no handshake of ours")
        message_1 = one.noise.answer_cookie(data)
        one.answered = one.answered or BUSY
        one.cookies += 1
        if one.cookies == 1:
            self._send_copy(one, message_1)
        elif self._rng.randrange(one.cookies - 1) == 0:
            one.with_cookie = message_1

    def _forget_response(self, index: int) -> None:
        response = self._responses.pop(index)
        self._over.append(index)
        del self._response_of[response.question]
        self.counters.datagrams_early += sum(-(-len(one.burst) // one.segment_size) for one in response.early)
