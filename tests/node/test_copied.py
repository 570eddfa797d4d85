"""A machine that may have been copied: nothing more is sealed under its keys, and new ones are there within moments."""

from mycelium.crypto.keys import SealingKey
from mycelium.link.causes import MACHINE_COPIED
from mycelium.node.copied import drop_keys
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, link_of, ping, reaches, ready_line, ready_pair, received


def sealing_keys(net: NodeNet, name: str) -> list[SealingKey]:
    """Returns the keys that a node seals under, for neighbours and other ends."""
    node = net.hosts[name].node
    of_links = [keypair for link in node.links.values() for keypair in link.keypairs.by_index.values()]
    of_sessions = [keypair for session in node.sessions.by_peer.values() for keypair in session.keypairs]
    return [keypair.sealing for keypair in (*of_links, *of_sessions)]


def talks_again(net: NodeNet, one: str, other: str) -> None:
    """Pings until one has arrived, within a second: those under keys that are unknown by now are lost."""
    for _ in range(10):
        data = ping(net, one, other)
        net.run(0.1)
        if data in received(net, other):
            return
    raise AssertionError("not within a second")


def test_nothing_is_sealed_under_keys_that_a_copy_has() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    for name in "abc":
        old = sealing_keys(net, name)
        counters = [key.counter for key in old]
        assert len(old) >= 2 or name == "b"
        drop_keys(net.hosts[name].node, now=net.now)
        talks_again(net, "a", "c")
        talks_again(net, "c", "a")
        assert [key.counter for key in old] == counters
        assert not set(map(id, old)) & set(map(id, sealing_keys(net, name)))


def test_the_link_is_back_with_new_keys_within_a_moment_and_says_why_it_went() -> None:
    net = ready_pair()
    before = link_of(net, "a", "b").keypairs.sending
    drop_keys(net.hosts["a"].node, now=net.now)
    talks_again(net, "a", "b")
    assert link_of(net, "a", "b").keypairs.sending is not before
    assert net.hosts["a"].deaths[0].cause == MACHINE_COPIED


def test_handshakes_under_way_are_begun_anew() -> None:
    net = NodeNet()
    for name in "ab":
        net.add(name)
    net.join("a", "b")
    attempts = dict(net.hosts["a"].node.handshakes._initiations)
    while not attempts:
        net.run(0.001)
        attempts = dict(net.hosts["a"].node.handshakes._initiations)
    drop_keys(net.hosts["a"].node, now=net.now)
    assert not attempts.keys() & net.hosts["a"].node.handshakes._initiations.keys()
    net.run(30, until=lambda: reaches(net, "a", "b"))
    deliver(net, "a", "b")
