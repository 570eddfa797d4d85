"""Asks a member of a network to be let in by an invitation, before there is a daemon."""

import asyncio
import os
from contextlib import ExitStack
from time import monotonic
from typing import Final

from mycelium.admin.join_uri import JoinUri
from mycelium.crypto.join_handshake import JoinInitiator
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon.listeners import ANY_ADDRESS, open_transports
from mycelium.daemon.resolver import resolve
from mycelium.endpoint import Endpoint
from mycelium.errors import HandshakeError, LocalError, ResolveError
from mycelium.identity import Identity
from mycelium.peer_url import PeerUrl
from mycelium.transport.base import Transport
from mycelium.transport.set import TransportSet
from mycelium.wire.join import JoinAnswer, JoinStatus

ASK_EVERY_S: Final = 0.5
PATIENCE_S: Final = 8.0

_REFUSALS: Final = {
    JoinStatus.USED: "it was used already, as often as it may be",
    JoinStatus.EXPIRED: "it has expired, by the clock of the member that made it",
    JoinStatus.FAILED: "the member that made it can't note that it is used, as its log says: try again once that is mended",
    JoinStatus.MAY_NOT: "the member that made it may not invite any more",
}


async def ask_to_join(uri: JoinUri, identity: Identity) -> JoinAnswer:
    """Returns what the member grants; raises LocalError with the reason where it refuses or does not answer."""
    endpoints, trouble = await _endpoints(uri)
    pin = uri.peers[0].pin
    assert pin is not None
    primitives = RealPrimitives()
    fingerprint = KeyProver(identity, primitives).fingerprint
    asking = JoinInitiator(identity, fingerprint, uri.token, pin=pin, entropy=os.urandom, primitives=primitives)
    with ExitStack() as stack:
        transports = open_transports([PeerUrl("udp", ANY_ADDRESS, 0)])
        stack.callback(transports.close)
        asked = _Asking(asking, transports, endpoints)
        try:
            answer = await asked.answer()
        except TimeoutError:
            raise LocalError(_no_answer(uri, asked.trouble or trouble)) from None
    if answer.status == JoinStatus.GRANTED:
        return answer
    refusal = _REFUSALS.get(JoinStatus(answer.status)) if answer.status in list(JoinStatus) else None
    raise LocalError(f"the invitation is refused: {refusal or 'for a reason that only a newer mycelium knows'}")


async def _endpoints(uri: JoinUri) -> tuple[list[Endpoint], str]:
    """Returns where the member may answer, and why some of its addresses are of no use."""
    found: list[Endpoint] = []
    trouble = ""
    for peer in uri.peers:
        try:
            found += await resolve(peer)
        except ResolveError as error:
            trouble = f"{peer.host}: {error}"
    if not found:
        raise LocalError(f"the member that made the invitation can't be found: {trouble}")
    return found, trouble


def _no_answer(uri: JoinUri, trouble: str) -> str:
    at = " and ".join(str(PeerUrl(peer.scheme, peer.host, peer.port, None, peer.site)) for peer in uri.peers)
    why = f" ({trouble})" if trouble else ""
    return (
        f"no answer from {at} within {PATIENCE_S:g} s{why}: nothing is reached there, or it is not the member that made this "
        "invitation, or the invitation ended more than a day ago"
    )


class _Asking:
    """One request, sent to all endpoints until a reply comes, and from there on to where that came from."""

    def __init__(self, asking: JoinInitiator, transports: TransportSet, endpoints: list[Endpoint]) -> None:
        self._asking = asking
        self._transports = transports
        self._endpoints = endpoints
        self._has_reply = False
        self.trouble = ""  # why what was sent does not arrive

    async def answer(self) -> JoinAnswer:
        """Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[JoinAnswer] = loop.create_future()
        for transport in self._transports.transports:
            loop.add_reader(transport.fileno(), self._on_readable, transport, answered)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not answered.done():
                    self._send()
                    await asyncio.wait((answered,), timeout=ASK_EVERY_S)
            return answered.result()
        finally:
            for transport in self._transports.transports:
                loop.remove_reader(transport.fileno())

    def _send(self) -> None:
        requests = [memoryview(one) for one in self._asking.requests()]
        self._transports.send([(there, [one], len(one), False, 0) for there in self._endpoints for one in requests])
        self._transports.handle_timeout(lambda: self._endpoints, now=monotonic())
        for cause in (self._transports.take_unreachable() | self._transports.take_refused()).values():
            self.trouble = cause or self.trouble

    def _on_readable(self, transport: Transport, answered: "asyncio.Future[JoinAnswer]") -> None:
        while not answered.done():
            received = transport.receive()
            if received is None:
                return
            data, size, endpoint = received
            for start in range(0, len(data), size):
                try:
                    answer = self._asking.receive_reply(bytes(data[start : start + size]))
                except HandshakeError:  # a datagram of somebody else, or a forged one
                    continue
                if answer is not None and not answered.done():
                    answered.set_result(answer)
                elif not self._has_reply:
                    self._has_reply, self._endpoints = True, [endpoint]
                    self._send()
