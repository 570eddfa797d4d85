"""The counters of links: one set for all links of a node, which outlives each of them."""

from tests.support.small_meshes import counter, link_of, ready_line


def test_what_the_links_count_adds_up_and_outlives_them() -> None:
    net = ready_line("abc")
    b = net.hosts["b"]
    for neighbour in "ac":
        link = link_of(net, "b", neighbour)
        junk = b"\x14\0\0\0" + link.keypairs.sending.local_index.to_bytes(4, "big") + bytes(56)
        net.inject("b", net.hosts[neighbour].endpoint, junk)
    assert counter(net, "b", "frames_not_opened") == 2
    for url in list(b.peers):
        b.node.remove_peer(url, now=net.now)
    net.stop("a")
    net.stop("c")
    net.run(120)
    assert b.node.links == {}
    assert counter(net, "b", "frames_not_opened") == 2
