"""Makes connections of the QUIC library. Importing this takes a fifth of a second, and needs the package qh3."""

import logging
import ssl
from typing import Final

from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection as Connection

from mycelium.endpoint import Endpoint
from mycelium.limits import QUIC_PACKET, QUIC_WINDOW_BYTES
from mycelium.transport.certificate import ServerCertificate
from mycelium.transport.quic.connection import QuicPipe
from mycelium.transport.quic.counters import QuicCounters
from mycelium.transport.quic.tokens import ID_BYTES
from mycelium.transport.quic.validation import AddressValidation, Admitted

ALPN: Final = "h3"  # what a browser offers
IDLE_S: Final = 60.0  # longer than a path goes without any datagram
INITIAL_RTT_S: Final = 0.1  # assumed before any is measured; a lost first packet is repeated after three of these
FRAME_LIMIT: Final = 65_535  # DATAGRAM frames of any size are taken

logging.getLogger("quic").setLevel(logging.CRITICAL + 1)  # strangers could have the library log without end


class Engine:
    """Dials, and decides about strangers."""

    def __init__(self, certificate: ServerCertificate, counters: QuicCounters, *, now: float) -> None:
        self._certificate = certificate
        self._pem: tuple[bytes, bytes] | None = None
        self._accepting = _configuration(is_client=False)
        self._validation = AddressValidation(counters, now=now)

    def dial(self, peer: Endpoint, below: Endpoint, *, now: float) -> QuicPipe:
        """Begins a connection. Any certificate is accepted: the link's handshake inside proves the neighbour's key."""
        configuration = _configuration(is_client=True)
        configuration.verify_mode = ssl.CERT_NONE
        connection = Connection(configuration=configuration)
        connection.connect((peer.host, peer.port), now)
        return QuicPipe(connection, peer, below, is_admitted=False, now=now)

    def judge(
        self, packet: bytes, peer: Endpoint, below: Endpoint, half_open: int, *, now: float
    ) -> QuicPipe | bytes | None:
        """Returns the connection that a stranger's packet begins, to be given it, or an answer; None to drop it."""
        answer = self._validation.judge(packet, (peer.host, peer.port), half_open, now=now)
        if not isinstance(answer, Admitted):
            return answer
        pem = self._certificate.pem(now=now)
        if pem is not self._pem:
            self._pem = pem
            self._accepting.load_cert_chain(*pem)
        connection = Connection(
            configuration=self._accepting,
            original_destination_connection_id=answer.original_id,
            retry_source_connection_id=answer.retry_id,
        )
        return QuicPipe(connection, peer, below, is_admitted=answer.retry_id is not None, now=now)


def _configuration(*, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=[ALPN],
        connection_id_length=ID_BYTES,
        idle_timeout=IDLE_S,
        initial_rtt=INITIAL_RTT_S,
        max_data=QUIC_WINDOW_BYTES,
        max_stream_data=QUIC_WINDOW_BYTES,
        max_datagram_frame_size=FRAME_LIMIT,
        max_datagram_size=QUIC_PACKET,
        probe_datagram_size=False,
    )
