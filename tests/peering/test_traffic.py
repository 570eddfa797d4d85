"""Which sessions carry traffic."""

from mycelium.peering.traffic import Traffic
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, ready_line


def watched() -> tuple[NodeNet, Traffic, bytes]:
    """Returns a line, what watches the sessions of its first host, and the address of its last host."""
    net = ready_line("abc")
    return net, Traffic(net.hosts["a"].node.sessions), net.hosts["c"].address


def test_a_question_and_its_answer_are_traffic_for_two_looks() -> None:
    net, traffic, peer = watched()
    assert traffic.look(now=net.now) == set()
    deliver(net, "a", "c")
    deliver(net, "c", "a")
    assert traffic.look(now=net.now) == {peer}
    net.run(0.5)
    assert traffic.look(now=net.now) == {peer}
    net.run(0.5)
    assert traffic.look(now=net.now) == set()


def test_two_packets_of_two_looks_are_traffic_and_one_alone_is_none() -> None:
    net, traffic, peer = watched()
    deliver(net, "a", "c")  # with its session
    net.run(1)
    traffic.look(now=net.now)
    traffic.look(now=net.now)
    deliver(net, "a", "c")
    assert traffic.look(now=net.now) == set()
    deliver(net, "a", "c")
    assert traffic.look(now=net.now) == {peer}


def test_one_packet_of_a_new_session_is_none() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    for name in "ac":
        assert Traffic(net.hosts[name].node.sessions).look(now=net.now) == set()
    deliver(net, "a", "c")
    assert Traffic(net.hosts["c"].node.sessions).look(now=net.now) == {net.hosts["a"].address}


def test_trains_without_packets_are_left_out() -> None:
    net, traffic, peer = watched()
    deliver(net, "a", "c")
    net.run(1)
    traffic.look(now=net.now)
    traffic.look(now=net.now)
    session = net.hosts["a"].node.sessions.by_peer[peer]
    for _ in range(3):
        net.hosts["a"].node.sending.send_item(session, 0x20, b"signal", now=net.now)
        net.drain("a")
        session.without_packets += 1
    session.last_used = net.now
    assert traffic.look(now=net.now) == set()
    for _ in range(2):
        deliver(net, "a", "c")
    assert traffic.look(now=net.now) == {peer}


def test_what_was_counted_of_forgotten_sessions_is_forgotten_in_time() -> None:
    net, traffic, peer = watched()
    deliver(net, "a", "c")
    traffic.look(now=net.now)
    traffic._totals.update({number.to_bytes(16, "big"): 1 for number in range(20_000)})
    traffic.look(now=net.now)
    assert set(traffic._totals) == {peer}
