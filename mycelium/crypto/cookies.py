"""Admission of first handshake messages, before any public-key operation.

Message 1 ends with two macs of 4 bytes, as in WireGuard (whitepaper, 5.4.4 and 5.4.7). Mac 1 is keyed with H(label, psk, key of
the responder or zeros, time of day in periods of two minutes). Without a valid one there is no answer, so a private network is
silent towards strangers, and a recorded message is worth something to them for minutes only, and at no other node than its own
if the initiator knew that one's key. A message 1 is answered once.

An initiator that hears nothing asks for a cookie by a mac 1 that names no time: its clock may be wrong, or somebody else may
have used its message. Beyond a rate of handshakes, all have to bring a cookie. It is BLAKE2b-32 of the source address under a
secret that changes every two minutes. Mac 2, zeros without a cookie, is keyed with H(label, psk, cookie): its sender knows the
psk, is alive and receives datagrams at its address, and is then rate-limited by its subnet. No state is kept before that. A
mac 2 that is wrong is worth no less than none, so that forged cookies harm nobody.

A cookie datagram names the mac 1 that it answers, and has a mac keyed with H(label, psk, `e` of message 1), which only a host
that saw message 1 and knows the network's key can compute.
"""

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from mycelium.counters import counter
from mycelium.crypto.cookie_secrets import CookieSecrets
from mycelium.crypto.noise import Entropy
from mycelium.crypto.primitives import EXCHANGE_BYTES
from mycelium.errors import HandshakeError
from mycelium.identity import blake2b
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    HANDSHAKES_PER_SECOND_AND_SUBNET,
    HANDSHAKES_PER_SECOND_WITH_COOKIE,
    MESSAGES_1_REMEMBERED,
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
PERIOD_S: Final = 120.0  # resolution of the time of day; one period more or less is allowed
ASKING: Final = (1 << 64) - 1  # in place of the period, of who asks for a cookie

_MAC_1_LABEL: Final = b"mycelium link mac 1\x00"
_MAC_2_LABEL: Final = b"mycelium link mac 2\x00"
_COOKIE_LABEL: Final = b"mycelium cookie mac 1\x00"
_NO_KEY: Final = bytes(EXCHANGE_BYTES)
_NO_MAC: Final = bytes(MAC_BYTES)
_BODY: Final = slice(HANDSHAKE_1_BYTES - 2 * MAC_BYTES)  # what the macs of message 1 cover
_MAC_1: Final = slice(-2 * MAC_BYTES, -MAC_BYTES)
_MAC_2: Final = slice(-MAC_BYTES, None)
_EPHEMERAL: Final = slice(HANDSHAKE_1_HEAD.size, HANDSHAKE_1_HEAD.size + EXCHANGE_BYTES)


def seal_message_1(body: bytes, psk: bytes, responder: bytes | None = None, *, period: int) -> bytes:
    """Returns message 1 without a cookie: for the holder of an X25519 key or whoever answers, in a period or ASKING."""
    return body + _mac(digest_of(body), _mac_1_key(psk, responder or _NO_KEY, period)) + _NO_MAC


def digest_of(message_1: bytes) -> bytes:
    """Returns what tells a message 1 from all others: a hash of all but its macs, which may be absent."""
    return blake2b(message_1[_BODY], size=32)


def add_cookie(datagram: bytes, messages_1: Collection[bytes], psk: bytes) -> bytes:
    """Returns the message 1 that a cookie datagram answers with the cookie in its mac 2; raises HandshakeError for none."""
    if len(datagram) != COOKIE_DATAGRAM.size or datagram[0] != COOKIE:
        raise HandshakeError("not a cookie for this message 1")
    _, _, answered, cookie, mac = COOKIE_DATAGRAM.unpack(datagram)
    for message_1 in messages_1:
        expected = _cookie_mac(datagram[:-COOKIE_MAC_BYTES], psk, message_1[_EPHEMERAL])
        if answered == message_1[_MAC_1] and hmac.compare_digest(mac, expected):
            return message_1[:-MAC_BYTES] + _mac(digest_of(message_1), _mac_2_key(psk, cookie))
    raise HandshakeError("the cookie does not answer this message 1")


class Admission(NamedTuple):
    """What to do with a message 1: hand it to a LinkResponder, send the cookie datagram back, or nothing."""

    accepted: bool
    cookie: bytes | None = None
    is_over_budget: bool = False  # although it brought back a cookie


@dataclass(slots=True)
class GateCounters:
    """First handshake messages by outcome, since the node started."""

    handshakes_accepted: int = counter("First handshake messages answered.")
    handshakes_sent_a_cookie: int = counter(
        "First handshake messages answered with a cookie: under load, or as their sender asked for one."
    )
    handshakes_malformed: int = counter("First handshake messages dropped: malformed, or of another version.")
    handshakes_without_mac: int = counter(
        "First handshake messages dropped: no valid MAC, as from nodes with another network key, or an old recording."
    )
    handshakes_replayed: int = counter("First handshake messages dropped: replayed.")
    handshakes_over_budget: int = counter("First handshake messages dropped: too many, in spite of a cookie.")


class HandshakeGate:
    """Decides about each message 1 before anything is spent on it. `counters` tells how many went which way."""

    __slots__ = (
        "_asking_key",
        "_clock_keys",
        "_own_key",
        "_period",
        "_proven",
        "_psk",
        "_secrets",
        "_seen",
        "_subnets",
        "_unproven",
        "counters",
        "unix_offset_s",
    )

    def __init__(self, *, psk: bytes, own_key: bytes, entropy: Entropy) -> None:
        self.unix_offset_s = 0.0  # the time of day, in seconds since 1970, less `now`
        self._psk = psk
        self._own_key = own_key
        self._secrets = CookieSecrets(entropy)
        self._asking_key = _mac_1_key(psk, _NO_KEY, ASKING)
        self._clock_keys: list[bytes] = []  # of mac 1 in the periods around `_period`
        self._period = -1
        self._unproven = TokenBucket(HANDSHAKES_PER_SECOND, now=0.0)
        self._proven = TokenBucket(HANDSHAKES_PER_SECOND_WITH_COOKIE, now=0.0)
        self._subnets = SubnetRates(HANDSHAKES_PER_SECOND_AND_SUBNET, burst=HANDSHAKES_PER_SECOND_AND_SUBNET)
        self._seen: dict[bytes, None] = {}  # digests of the messages accepted last, with the source if by a cookie
        self.counters = GateCounters()

    def period(self, *, now: float) -> int:
        """Returns the number of the present period of the time of day."""
        return max(int((now + self.unix_offset_s) // PERIOD_S), 0)

    def admit(self, datagram: bytes, *, source: bytes | str, now: float) -> Admission:
        """Decides about a message 1; `source` is the address it came from, 4 or 16 bytes or numeric text."""
        outcome = self._judge(datagram, source, now=now)
        name = f"handshakes_{outcome}"
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        cookie = self._cookie_datagram(datagram, source, now=now) if outcome == "sent_a_cookie" else None
        return Admission(outcome == "accepted", cookie, outcome == "over_budget")

    def _judge(self, datagram: bytes, source: bytes | str, *, now: float) -> str:
        if len(datagram) != HANDSHAKE_1_BYTES or datagram[0] != HANDSHAKE_1 or datagram[1] != PROTOCOL_VERSION:
            return "malformed"
        digest, mac_1, mac_2 = digest_of(datagram), datagram[_MAC_1], datagram[_MAC_2]
        self._follow_clock(now=now)
        is_timely = any(hmac.compare_digest(mac_1, _mac(digest, key)) for key in self._clock_keys)
        if not is_timely and not hmac.compare_digest(mac_1, _mac(digest, self._asking_key)):
            return "without_mac"
        if self._carries_cookie(digest, mac_2, source, now=now):
            return self._accept_proven(digest, source, now=now)
        if not is_timely:
            return "sent_a_cookie"
        if digest in self._seen:
            return "replayed"
        if not self._unproven.take(now=now):
            return "sent_a_cookie"
        self._remember(digest)
        return "accepted"

    def _accept_proven(self, digest: bytes, source: bytes | str, *, now: float) -> str:
        key = digest + _bytes_of(source)
        if key in self._seen:
            return "replayed"
        if not (self._subnets.take(source, now=now) and self._proven.take(now=now)):
            return "over_budget"
        self._remember(key)
        return "accepted"

    def _follow_clock(self, *, now: float) -> None:
        period = self.period(now=now)
        if period != self._period:
            self._period = period
            near = range(max(period - 1, 0), period + 2)
            self._clock_keys = [_mac_1_key(self._psk, key, one) for key in (self._own_key, _NO_KEY) for one in near]

    def _carries_cookie(self, digest: bytes, mac_2: bytes, source: bytes | str, *, now: float) -> bool:
        if mac_2 == _NO_MAC:
            return False
        cookies = self._secrets.cookies(_bytes_of(source), now=now)
        return any(hmac.compare_digest(mac_2, _mac(digest, _mac_2_key(self._psk, cookie))) for cookie in cookies)

    def _cookie_datagram(self, message_1: bytes, source: bytes | str, *, now: float) -> bytes:
        sender_index = HANDSHAKE_1_HEAD.unpack_from(message_1)[4]
        cookie = self._secrets.cookie(_bytes_of(source), now=now)
        datagram = COOKIE_DATAGRAM.pack(COOKIE, sender_index, message_1[_MAC_1], cookie, b"")[:-COOKIE_MAC_BYTES]
        return datagram + _cookie_mac(datagram, self._psk, message_1[_EPHEMERAL])

    def _remember(self, key: bytes) -> None:
        if len(self._seen) >= MESSAGES_1_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None


def _mac(digest: bytes, key: bytes) -> bytes:
    return blake2b(digest, size=MAC_BYTES, key=key)


def _mac_1_key(psk: bytes, responder: bytes, period: int) -> bytes:
    return blake2b(_MAC_1_LABEL + psk + responder + period.to_bytes(8, "big"), size=32)


def _mac_2_key(psk: bytes, cookie: bytes) -> bytes:
    return blake2b(_MAC_2_LABEL + psk + cookie, size=32)


def _cookie_mac(data: bytes, psk: bytes, ephemeral: bytes) -> bytes:
    return blake2b(data, size=COOKIE_MAC_BYTES, key=blake2b(_COOKIE_LABEL + psk + ephemeral, size=32))


def _bytes_of(source: bytes | str) -> bytes:
    return source.encode() if isinstance(source, str) else source
