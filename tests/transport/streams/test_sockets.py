"""TCP sockets: what is set on them, and what both ends of a connection are called."""

import socket

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.streams.sockets import DEAD_AFTER_MS, connect, endpoint_at, listen, local_address
from mycelium.transport.underlay import Underlay


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", bytes((127, 0, 0, 1))), ("::1", bytes(15) + b"\x01")])
def test_both_ends_of_a_connection_have_plain_names(host: str, local: bytes) -> None:
    with (
        listen("::", 0, Underlay()) as listener,
        connect(Endpoint("tcp", host, listener.getsockname()[1]), Underlay()) as stream,
    ):
        listener.setblocking(True)
        accepted, address = listener.accept()
        with accepted:
            assert endpoint_at(address).host == host
            assert local_address(accepted) == local_address(stream) == local
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == DEAD_AFTER_MS
            assert not stream.getblocking()


def test_a_port_is_free_for_the_next_process_at_once() -> None:
    with listen("127.0.0.1", 0, Underlay()) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            listener.setblocking(True)
            accepted, _ = listener.accept()
            accepted.close()  # first: its side keeps the port in TIME_WAIT
            assert client.recv(1) == b""
    listen(address[0], address[1], Underlay()).close()


@pytest.mark.parametrize("host", ["example.net", "", "1.2.3"])
def test_a_name_is_not_connected_to(host: str) -> None:
    with pytest.raises(OSError, match="not a numeric address"):
        connect(Endpoint("tcp", host, 1), Underlay())
