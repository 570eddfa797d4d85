"""Decides about packets that belong to no connection: which of them begin one, and which are answered without any memory."""

import os
from typing import Final, NamedTuple

from qh3._hazmat import pull_quic_header
from qh3.quic.packet import QuicPacketType, encode_quic_retry, encode_quic_version_negotiation

from mycelium.limits import QUIC_ACCEPTED_PER_SECOND, QUIC_ANSWERS_PER_SECOND, QUIC_HALF_OPEN
from mycelium.timing import TokenBucket
from mycelium.transport.quic.counters import QuicCounters
from mycelium.transport.quic.runs import INITIAL_BYTES
from mycelium.transport.quic.tokens import ID_BYTES, RetryTokens

VERSION_1: Final = 1

Address = tuple[str, int]


class Admitted(NamedTuple):
    """A connection to accept."""

    original_id: bytes  # identifier that the peer chose for this end at first
    retry_id: bytes | None  # identifier that our Retry asked for, whose use proves the address; None without a Retry


class AddressValidation:
    """What a listener does about strangers."""

    def __init__(self, counters: QuicCounters, *, now: float) -> None:
        self._counters = counters
        self._tokens = RetryTokens()
        self._accepted = TokenBucket(QUIC_ACCEPTED_PER_SECOND, now=now)
        self._answered = TokenBucket(QUIC_ANSWERS_PER_SECOND, now=now)

    def judge(self, packet: bytes, address: Address, half_open: int, *, now: float) -> bytes | Admitted | None:
        """Returns the answer to a packet, or the connection that it begins, or None to drop it.

        `half_open` is the number of connections whose addresses are not proved.
        """
        answer = self._judged(packet, address, half_open, now=now)
        if answer is None:
            self._counters.unknown_dropped += 1
        return answer

    def _judged(self, packet: bytes, address: Address, half_open: int, *, now: float) -> bytes | Admitted | None:
        try:
            version, kind, _, destination, source, token, *_ = pull_quic_header(packet, 0, ID_BYTES)
        except ValueError:
            return None
        if len(packet) < INITIAL_BYTES or not version:
            return None
        if version != VERSION_1:
            return self._negotiate(destination, source, now=now)
        if kind != QuicPacketType.INITIAL:
            return None
        original = self._tokens.check(address, destination, token, now=now)
        if original is None and half_open >= QUIC_HALF_OPEN:
            return self._retry(address, destination, source, now=now)
        if not self._accepted.take(now=now):
            return None if original is not None else self._retry(address, destination, source, now=now)
        return Admitted(destination, None) if original is None else Admitted(original, destination)

    def _negotiate(self, destination: bytes, source: bytes, *, now: float) -> bytes | None:
        if not self._answered.take(now=now):
            return None
        self._counters.versions_answered += 1
        return encode_quic_version_negotiation(
            source_cid=destination, destination_cid=source, supported_versions=[VERSION_1]
        )

    def _retry(self, address: Address, destination: bytes, source: bytes, *, now: float) -> bytes | None:
        if not self._answered.take(now=now):
            return None
        self._counters.retried += 1
        chosen = os.urandom(ID_BYTES)
        return encode_quic_retry(
            version=VERSION_1,
            source_cid=chosen,
            destination_cid=source,
            original_destination_cid=destination,
            retry_token=self._tokens.make(address, destination, chosen, now=now),
        )
