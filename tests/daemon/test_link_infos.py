"""Links and sessions as the API shows them."""

import pytest

from mycelium.daemon.link_infos import link_infos, session_infos
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, ready_line


def nameless(node: bytes) -> str | None:
    return None


@pytest.fixture(scope="module")
def net() -> NodeNet:
    net = ready_line("abc")
    deliver(net, "a", "c")
    return net


def test_a_link_has_its_paths_and_the_number_of_nodes_behind_it(net: NodeNet) -> None:
    a, b = net.hosts["a"].node, net.hosts["b"]
    [link] = link_infos(a, nameless, now=net.now)
    assert (link.address, link.state, link.routes) == (b.address_text, "up", 2)
    assert link.public_key == b.identity.exchange_public_key.hex()
    assert link.up_s is not None
    assert 0 <= link.up_s <= link.known_s <= net.now
    [path] = link.paths
    assert (path.endpoint.startswith("udp://b"), path.state) == (True, "alive")
    assert path.rtt_ms == pytest.approx(10, abs=2)
    assert (link.tx_bytes, link.rx_bytes) == (path.tx_bytes, path.rx_bytes)


def test_a_session_has_its_way_and_what_passed_under_its_keys(net: NodeNet) -> None:
    a, b, c = (net.hosts[name] for name in "abc")
    [session] = [one for one in session_infos(a.node, nameless, now=net.now) if one.node == c.address_text]
    assert (session.state, session.next_hop, session.direct) == ("open", b.address_text, False)
    assert session.sealed_bytes >= 64
    assert session.sealed_bytes % 16 == 0
    assert session.keys_s is not None
    assert session.idle_s <= session.keys_s


def test_a_link_that_is_down_says_so() -> None:
    net = ready_line("ab")
    net.cut("a", "b")
    net.run(5)
    [link] = link_infos(net.hosts["a"].node, nameless, now=net.now)
    assert (link.state, link.up_s, link.routes, link.paths[0].state) == ("down", None, 0, "dead")


def test_a_session_without_keys_is_being_requested() -> None:
    net = ready_line("abc")
    net.cut("b", "c")
    net.hosts["a"].node.echoes.ask(net.hosts["c"].address, now=net.now)
    [session] = [
        one
        for one in session_infos(net.hosts["a"].node, nameless, now=net.now)
        if one.node == net.hosts["c"].address_text
    ]
    assert (session.state, session.keys_s, session.sealed_bytes, session.opened_trains) == ("requesting", None, 0, 0)
