"""A QUIC client that says what it likes."""

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from qh3.quic.configuration import QuicConfiguration
from qh3.quic.connection import QuicConnection
from qh3.quic.events import HandshakeCompleted

from mycelium.limits import QUIC_PACKET
from mycelium.transport.quic.engine import ALPN, FRAME_LIMIT
from tests.lab.waiting import PATIENCE_S

LONGEST_WAIT_S: Final = 0.05

Address = tuple[str, int]


class QuicClient:
    """One connection from a socket that the caller has made; it does not check who answers."""

    def __init__(self, sending: socket.socket, there: Address) -> None:
        self.socket = sending
        self._there = there
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=[ALPN], verify_mode=ssl.CERT_NONE, max_datagram_frame_size=FRAME_LIMIT
        )
        self.connection = QuicConnection(configuration=configuration)

    def begin(self) -> None:
        """Sends the first packet."""
        self.connection.connect(self._there, time.monotonic())
        self._flush()

    def converse(self, say: Callable[[QuicConnection], None], seconds: float) -> bool:
        """Answers until the connection is open, says something, and answers for some seconds; tells whether it was open."""
        until, is_open = time.monotonic() + PATIENCE_S, False
        self.socket.settimeout(LONGEST_WAIT_S)
        while time.monotonic() < until:
            try:
                self.connection.receive_datagram(self.socket.recv(QUIC_PACKET * 2), self._there, time.monotonic())
            except (TimeoutError, ConnectionRefusedError):
                self.connection.handle_timer(time.monotonic())
            while (event := self.connection.next_event()) is not None:
                if isinstance(event, HandshakeCompleted):
                    until, is_open = time.monotonic() + seconds, True
                    say(self.connection)
            self._flush()
        return is_open

    def _flush(self) -> None:
        for packet, _ in self.connection.datagrams_to_send(time.monotonic()):
            self.socket.sendto(packet, self._there)
