"""The data path of a node, put together."""

import pytest

from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE, HEADER_BYTES
from mycelium.wire.train import SESSION_COOKIE, TRAIN_HEADER
from tests.channel.support import awaited_proof
from tests.support.small_meshes import deliver, ping, ready_line, ready_pair, received


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


@pytest.mark.parametrize("is_by_deadline", [True, False])
def test_trains_whose_proof_has_come_are_taken_at_the_next_deadline_or_other_train_whatever_else_is_ready(
    is_by_deadline: bool,
) -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    c, a = net.hosts["c"], net.hosts["a"]
    session = c.node.sessions.by_peer[a.address]
    keypair = session.sending
    assert keypair is not None
    awaited = keypair.awaited = awaited_proof(until=net.now + 9)
    session.hold()
    data = ping(net, "a", "c")
    net.run(0.5)
    assert data not in received(net, "c")
    c.node.sessions.take_early(session, awaited.early)
    assert c.node.sessions.ready == []
    cookie = (64, 0, SESSION_COOKIE, 0, 0, 0, 0, c.address, a.address)
    if is_by_deadline:
        c.running.act(c.node.handle_timeout)
    else:
        c.running.act(c.node.receiving._receive_train, cookie, memoryview(TRAIN_HEADER.pack(*cookie)), b"")
    assert data in received(net, "c")
