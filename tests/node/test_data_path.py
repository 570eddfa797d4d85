"""The data path of a node, put together."""

from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE, HEADER_BYTES
from tests.support.small_meshes import deliver, ping, ready_line, ready_pair


def test_handshakes_errors_and_packets_take_one_way_out() -> None:
    net = ready_line("abc")
    assert deliver(net, "a", "c") > 0
    sessions = net.hosts["a"].node.sessions
    assert sessions.by_peer[net.hosts["c"].address].sending is not None
    assert net.hosts["a"].node.receiving.has_device


def test_packets_that_wait_for_a_session_that_fails_are_rejected() -> None:
    net = ready_pair()
    net.hosts["b"].node.sessions.receive_request = lambda *_, **__: None  # type: ignore[method-assign]
    a = net.hosts["a"].node
    a.sessions.forget(a.sessions.by_peer[net.hosts["b"].address])
    ping(net, "a", "b")
    net.run(8, until=lambda: bool(net.hosts["a"].delivered))
    error = net.hosts["a"].delivered[0][0]
    assert tuple(error[HEADER_BYTES : HEADER_BYTES + 2]) == ADDRESS_UNREACHABLE
