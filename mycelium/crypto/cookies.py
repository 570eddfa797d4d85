"""Admission of first handshake messages, before any public-key operation.

Message 1 ends with two macs of 4 bytes, as in WireGuard (whitepaper, 5.4.4 and 5.4.7). Mac 1 is keyed with H(label, psk).
Without a valid one there is no answer, so a private network is silent towards strangers. Beyond a rate of handshakes, the
answer is a cookie: BLAKE2b-32 of the source address under a secret that changes every two minutes. Mac 2, zeros without a
cookie, is keyed with H(label, psk, cookie): its sender receives datagrams at its address, and is then rate-limited by its
subnet. No state is kept before that. A mac 2 that is wrong is worth no less than none, so that forged cookies harm nobody.

A cookie datagram names the mac 1 that it answers, and has a mac keyed with H(label, psk, `e` of message 1), which only a host
that saw message 1 and knows the network's key can compute.
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

MAC_BYTES: Final = 4  # of each mac of message 1; strangers are looked at too slowly to guess one
COOKIE_MAC_BYTES: Final = 8
COOKIE_SECRET_BYTES: Final = 32
COOKIE_SECRET_PERIOD_S: Final = 120.0

_MAC_1_LABEL: Final = b"mycelium link mac 1\x00"
_MAC_2_LABEL: Final = b"mycelium link mac 2\x00"
_COOKIE_LABEL: Final = b"mycelium cookie mac 1\x00"
_NO_MAC: Final = bytes(MAC_BYTES)
_BODY: Final = slice(HANDSHAKE_1_BYTES - 2 * MAC_BYTES)  # what the macs of message 1 cover
_MAC_1: Final = slice(-2 * MAC_BYTES, -MAC_BYTES)
_MAC_2: Final = slice(-MAC_BYTES, None)
_EPHEMERAL: Final = slice(HANDSHAKE_1_HEAD.size, HANDSHAKE_1_HEAD.size + EXCHANGE_BYTES)


def seal_message_1(body: bytes, psk: bytes) -> bytes:
    """Returns message 1 with mac 1, and without mac 2."""
    return body + _mac_1(body, psk) + _NO_MAC


def add_cookie(datagram: bytes, message_1: bytes, psk: bytes) -> bytes:
    """Returns message 1 with the cookie of a datagram in its mac 2; raises HandshakeError if that does not answer it."""
    if len(datagram) != COOKIE_DATAGRAM.size or datagram[0] != COOKIE:
        raise HandshakeError("not a cookie for this message 1")
    _, _, answered, cookie, mac = COOKIE_DATAGRAM.unpack(datagram)
    expected = _cookie_mac(datagram[:-COOKIE_MAC_BYTES], psk, message_1[_EPHEMERAL])
    if answered != message_1[_MAC_1] or not hmac.compare_digest(mac, expected):
        raise HandshakeError("the cookie does not answer this message 1")
    return message_1[:-MAC_BYTES] + _mac_2(message_1[_BODY], psk, cookie)


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
        body = datagram[_BODY]
        if not hmac.compare_digest(datagram[_MAC_1], _mac_1(body, self._psk)):
            return "without_mac"
        if datagram[_EPHEMERAL] in self._ephemerals:
            return "replayed"
        self._rotate_secret(now=now)
        if not self._carries_cookie(body, datagram[_MAC_2], source):
            return "accepted" if self._unproven.take(now=now) else "sent_a_cookie"
        has_budget = self._subnets.take(source, now=now) and self._proven.take(now=now)
        return "accepted" if has_budget else "over_budget"

    def _carries_cookie(self, body: bytes, mac_2: bytes, source: bytes | str) -> bool:
        cookies = [_cookie(secret, source) for secret in (self._secret, self._previous_secret)]
        return any(hmac.compare_digest(mac_2, _mac_2(body, self._psk, cookie)) for cookie in cookies)

    def _cookie_datagram(self, message_1: bytes, source: bytes | str) -> bytes:
        sender_index = HANDSHAKE_1_HEAD.unpack_from(message_1)[4]
        cookie = _cookie(self._secret, source)
        datagram = COOKIE_DATAGRAM.pack(COOKIE, sender_index, message_1[_MAC_1], cookie, b"")[:-COOKIE_MAC_BYTES]
        return datagram + _cookie_mac(datagram, self._psk, message_1[_EPHEMERAL])

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


def _mac_1(body: bytes, psk: bytes) -> bytes:
    return blake2b(body, size=MAC_BYTES, key=blake2b(_MAC_1_LABEL + psk, size=32))


def _mac_2(body: bytes, psk: bytes, cookie: bytes) -> bytes:
    return blake2b(body, size=MAC_BYTES, key=blake2b(_MAC_2_LABEL + psk + cookie, size=32))


def _cookie_mac(data: bytes, psk: bytes, ephemeral: bytes) -> bytes:
    return blake2b(data, size=COOKIE_MAC_BYTES, key=blake2b(_COOKIE_LABEL + psk + ephemeral, size=32))


def _cookie(secret: bytes, source: bytes | str) -> bytes:
    return blake2b(source.encode() if isinstance(source, str) else source, size=32, key=secret)
