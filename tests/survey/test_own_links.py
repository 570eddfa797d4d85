"""What a node tells of its own links."""

from mycelium.survey.own_links import own_links, version_of
from mycelium.wire.survey import ToldLink
from tests.support.small_meshes import link_of, ready_line

NEIGHBOUR = bytes(range(16))


def test_links_that_are_up_are_told_in_the_order_of_addresses_and_dead_ones_are_not() -> None:
    net = ready_line("abc")
    links = net.hosts["b"].node.links.values()
    told = own_links(links, now=net.now)
    assert [one.neighbour for one in told] == sorted(net.hosts[name].address for name in "ac")
    for one in told:
        assert one.rtt_us is not None
        assert 9_000 < one.rtt_us < 12_000
        assert (one.cost, one.is_suspect) == (link_of(net, "b", "a").cost, False)
    net.cut("b", "c")
    net.run(5)
    assert [one.neighbour for one in own_links(links, now=net.now)] == [net.hosts["a"].address]


def test_the_version_follows_neighbours_costs_and_states_but_no_round_trip() -> None:
    link = ToldLink(NEIGHBOUR, 100, 900, 10, is_suspect=False)
    same = ToldLink(NEIGHBOUR, 100, 950, 20, is_suspect=False)
    others = (
        ToldLink(bytes(16), 100, 900, 10, is_suspect=False),
        ToldLink(NEIGHBOUR, 101, 900, 10, is_suspect=False),
        ToldLink(NEIGHBOUR, 100, 900, 10, is_suspect=True),
    )
    assert version_of([link]) == version_of([same])
    assert len({version_of(links) for links in ([], [link], *([one] for one in others))}) == 5
