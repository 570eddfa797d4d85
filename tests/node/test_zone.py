"""Names of nodes in the DNS."""

import pytest

from mycelium.node.names import Names, address_name
from mycelium.node.zone import DEFAULT_DOMAIN, Zone, is_domain, network_label
from tests.node.test_names import pair


@pytest.mark.parametrize(
    ("network", "label"),
    [("corp", "corp"), ("Our Corp!", "our-corp"), ("", ""), ("日本", ""), ("x" * 80, "x" * 63), ("-a.b-", "a-b")],
)
def test_a_networks_name_becomes_a_label(network: str, label: str) -> None:
    assert network_label(network) == label


def test_a_domain_is_labels_with_dots_between() -> None:
    assert [is_domain(text) for text in (DEFAULT_DOMAIN, "mesh.example.org", "", "a..b", "Myc", "x." * 80 + "x")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(("network", "suffix"), [("Corp", "corp.myc"), ("", "myc")])
def test_nodes_are_found_below_their_network_and_by_their_address_below_the_domain(network: str, suffix: str) -> None:
    net = pair(private=True)
    a, b = (net.hosts[name].address for name in "ab")
    zone = Zone(Names(net.hosts["a"].node.routing, is_private=True), domain="myc", network_name=network)
    assert zone.all(now=net.now) == {f"berlin.{suffix}": a, f"oslo.{suffix}": b}
    assert zone.address_of(f"oslo.{suffix}", now=net.now) == b
    assert zone.address_of(f"{address_name(b)}.myc", now=net.now) == b
    for unknown in (f"paris.{suffix}", "oslo.other.myc", "oslo", "myc", f"x.oslo.{suffix}", f"{'x' * 12}.myc"):
        assert zone.address_of(unknown, now=net.now) is None


def test_a_zone_holds_what_is_below_its_domain_and_nothing_else() -> None:
    zone = Zone(Names(pair(private=False).hosts["a"].node.routing, is_private=False), domain="myc", network_name="")
    names = ("myc", "x.myc", "a.b.myc", "org", "notmyc", "myc.org", "")
    assert [zone.holds(name) for name in names] == [True, True, True, False, False, False, False]
