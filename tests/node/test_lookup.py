"""Which node a text means."""

from ipaddress import IPv6Address

import pytest

from mycelium.errors import LocalError
from mycelium.node.lookup import find_node
from sim.net.node_net import NodeNet
from tests.support.small_meshes import ready_line


@pytest.fixture(scope="module")
def net() -> NodeNet:
    return ready_line("abc")


def test_a_node_is_found_by_address_subnet_key_and_the_beginning_of_its_address(net: NodeNet) -> None:
    routing, c = net.hosts["a"].node.routing, net.hosts["c"].node.identity
    text = str(IPv6Address(c.address))
    inside = str(IPv6Address(c.address[:8] + bytes(7) + b"\x07"))
    subnet = f"{IPv6Address(c.address[:8] + bytes(8))}/64"
    for wanted in (text, text.upper(), f" {text}", text[:9], inside, subnet, c.exchange_public_key.hex()):
        assert find_node(wanted, routing) == c.address, wanted


def test_this_node_is_one_of_them(net: NodeNet) -> None:
    node = net.hosts["a"].node
    assert find_node(str(IPv6Address(node.identity.address)), node.routing) == node.identity.address


@pytest.mark.parametrize(
    "wanted", ["", " ", "berlin", "400::9", "00" * 32, "ab" * 31, "/64", "fe80::1%eth0", "4fc:::", "é"]
)
def test_what_is_no_node_is_said_to_be_none(net: NodeNet, wanted: str) -> None:
    with pytest.raises(LocalError, match="is no node that this one knows"):
        find_node(wanted, net.hosts["a"].node.routing)


def test_a_beginning_that_fits_several_nodes_names_some(net: NodeNet) -> None:
    routing = net.hosts["a"].node.routing
    addresses = sorted(str(IPv6Address(node)) for node in routing.nodes())
    wanted = next(digit for digit in "45" if sum(one.startswith(digit) for one in addresses) > 1)
    fitting = [one for one in addresses if one.startswith(wanted)]
    with pytest.raises(LocalError) as refused:
        find_node(wanted, routing)
    assert f"{len(fitting)} nodes have addresses that begin with '{wanted}': {fitting[0]}" in str(refused.value)
