"""Admission of first handshake messages, before any public-key operation.

The mac of message 1 is BLAKE2b-8 over all bytes before it, keyed with H(label, psk, cookie or zeros). Without a valid one there
is no answer, so a private network is silent towards strangers. Beyond a rate of handshakes, the answer is a cookie: BLAKE2b-32
of the source address under a secret that changes every two minutes. An initiator that uses it in its next mac has proved that
it receives datagrams at its address, and is then rate-limited by its subnet. No state is kept before that.

A cookie datagram names the mac it answers, and has a mac keyed with H(label, psk, `e` of message 1), which only a host that saw
message 1 and knows the network's key can compute.
"""

import hmac
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from mycelium.counters import counter
from mycelium.crypto.noise import Entropy
from mycelium.crypto.primitives import EXCHANGE_BYTES
from mycelium.errors import HandshakeError
from mycelium.identity import blake2b
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    HANDSHAKES_PER_SECOND_AND_SUBNET,
    HANDSHAKES_PER_SECOND_WITH_COOKIE,
    REMEMBERED_EPHEMERALS,
)
from mycelium.subnets import SubnetRates
from mycelium.timing import TokenBucket
from mycelium.wire.datagram import (
    COOKIE,
    COOKIE_DATAGRAM,
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_1_HEAD,
    PROTOCOL_VERSION,
)

MAC_BYTES: Final = 8
COOKIE_BYTES: Final = 32
COOKIE_SECRET_BYTES: Final = 32
COOKIE_SECRET_PERIOD_S: Final = 120.0
NO_COOKIE: Final = bytes(COOKIE_BYTES)

_MESSAGE_LABEL: Final = b"mycelium link mac 1\x00"
_COOKIE_LABEL: Final = b"mycelium cookie mac 1\x00"
_EPHEMERAL: Final = slice(HANDSHAKE_1_HEAD.size, HANDSHAKE_1_HEAD.size + EXCHANGE_BYTES)


def seal_message_1(unsealed: bytes, psk: bytes, cookie: bytes | None) -> bytes:
    """Returns message 1 with its mac; without a cookie, zeros take its place in the key of the mac."""
    return unsealed + _mac(unsealed, _MESSAGE_LABEL, psk, cookie or NO_COOKIE)


def read_cookie(datagram: bytes, message_1: bytes, psk: bytes) -> bytes:
    """Returns the cookie in a datagram; raises HandshakeError if that does not answer `message_1`."""
    if not message_1 or len(datagram) != COOKIE_DATAGRAM.size or datagram[0] != COOKIE:
        raise HandshakeError("not a cookie for this message 1")
    _, _, answered, cookie, mac = COOKIE_DATAGRAM.unpack(datagram)
    expected = _mac(datagram[:-MAC_BYTES], _COOKIE_LABEL, psk, message_1[_EPHEMERAL])
    if answered != message_1[-MAC_BYTES:] or not hmac.compare_digest(mac, expected):
        raise HandshakeError("the cookie does not answer this message 1")
    return bytes(cookie)


class Admission(NamedTuple):
    """What to do with a message 1: hand it to a LinkResponder, send the cookie datagram back, or nothing."""

    accepted: bool
    cookie: bytes | None = None


@dataclass(slots=True)
class GateCounters:
    """First handshake messages by outcome, since the node started."""

    handshakes_accepted: int = counter("First handshake messages answered.")
    handshakes_sent_a_cookie: int = counter("First handshake messages answered with a cookie, under load.")
    handshakes_malformed: int = counter("First handshake messages dropped: malformed, or of another version.")
    handshakes_without_mac: int = counter(
        "First handshake messages dropped: no valid MAC, as from nodes with another network key."
    )
    handshakes_replayed: int = counter("First handshake messages dropped: replayed.")
    handshakes_over_budget: int = counter("First handshake messages dropped: too many, in spite of a cookie.")


class HandshakeGate:
    """Decides about each message 1 before anything is spent on it. `counters` tells how many went which way."""

    __slots__ = (
        "_entropy",
        "_ephemerals",
        "_previous_secret",
        "_proven",
        "_psk",
        "_secret",
        "_secret_since",
        "_subnets",
        "_unproven",
        "counters",
    )

    def __init__(self, *, psk: bytes, entropy: Entropy) -> None:
        self._psk = psk
        self._entropy = entropy
        self._secret = self._previous_secret = b""
        self._secret_since = -inf
        self._unproven = TokenBucket(HANDSHAKES_PER_SECOND, now=0.0)
        self._proven = TokenBucket(HANDSHAKES_PER_SECOND_WITH_COOKIE, now=0.0)
        self._subnets = SubnetRates(HANDSHAKES_PER_SECOND_AND_SUBNET, burst=HANDSHAKES_PER_SECOND_AND_SUBNET)
        self._ephemerals: dict[bytes, None] = {}  # of the messages accepted last, oldest first
        self.counters = GateCounters()

    def admit(self, datagram: bytes, *, source: bytes | str, now: float) -> Admission:
        """Decides about a message 1; `source` is the address it came from, 4 or 16 bytes or numeric text."""
        outcome = self._judge(datagram, source, now=now)
        name = f"handshakes_{outcome}"
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        if outcome == "accepted":
            self._remember(datagram[_EPHEMERAL])
            return Admission(accepted=True)
        if outcome == "sent_a_cookie":
            return Admission(accepted=False, cookie=self._cookie_datagram(datagram, source))
        return Admission(accepted=False)

    def _judge(self, datagram: bytes, source: bytes | str, *, now: float) -> str:
        if len(datagram) != HANDSHAKE_1_BYTES or datagram[0] != HANDSHAKE_1 or datagram[1] != PROTOCOL_VERSION:
            return "malformed"
        self._rotate_secret(now=now)
        has_cookie = False
        if not self._has_mac(datagram, NO_COOKIE):
            has_cookie = self._carries_cookie(datagram, source)
            if not has_cookie:
                return "without_mac"
        if datagram[_EPHEMERAL] in self._ephemerals:
            return "replayed"
        if not has_cookie:
            return "accepted" if self._unproven.take(now=now) else "sent_a_cookie"
        has_budget = self._subnets.take(source, now=now) and self._proven.take(now=now)
        return "accepted" if has_budget else "over_budget"

    def _has_mac(self, datagram: bytes, cookie: bytes) -> bool:
        expected = _mac(datagram[:-MAC_BYTES], _MESSAGE_LABEL, self._psk, cookie)
        return hmac.compare_digest(datagram[-MAC_BYTES:], expected)

    def _carries_cookie(self, datagram: bytes, source: bytes | str) -> bool:
        return any(self._has_mac(datagram, _cookie(secret, source)) for secret in (self._secret, self._previous_secret))

    def _cookie_datagram(self, message_1: bytes, source: bytes | str) -> bytes:
        sender_index = HANDSHAKE_1_HEAD.unpack_from(message_1)[4]
        cookie = _cookie(self._secret, source)
        without_mac = COOKIE_DATAGRAM.pack(COOKIE, sender_index, message_1[-MAC_BYTES:], cookie, b"")[:-MAC_BYTES]
        return without_mac + _mac(without_mac, _COOKIE_LABEL, self._psk, message_1[_EPHEMERAL])

    def _rotate_secret(self, *, now: float) -> None:
        age = now - self._secret_since
        if age < COOKIE_SECRET_PERIOD_S:
            return
        is_previous_fresh = age < 2 * COOKIE_SECRET_PERIOD_S
        self._previous_secret = self._secret if is_previous_fresh else self._entropy(COOKIE_SECRET_BYTES)
        self._secret = self._entropy(COOKIE_SECRET_BYTES)
        self._secret_since = now

    def _remember(self, ephemeral: bytes) -> None:
        if len(self._ephemerals) >= REMEMBERED_EPHEMERALS:
            del self._ephemerals[next(iter(self._ephemerals))]
        self._ephemerals[ephemeral] = None


def _mac(data: bytes, label: bytes, psk: bytes, secret: bytes) -> bytes:
    return blake2b(data, size=MAC_BYTES, key=blake2b(label + psk + secret, size=32))


def _cookie(secret: bytes, source: bytes | str) -> bytes:
    return blake2b(source.encode() if isinstance(source, str) else source, size=COOKIE_BYTES, key=secret)
