"""Nodes behind NATs learn from their neighbours where they are seen."""

from mycelium.endpoint import Endpoint
from mycelium.node.event_kind import EventKind
from mycelium.peering.outside import Mapping
from mycelium.wire.underlay_address import UnderlayAddress
from sim.net.nat import FIRST_PORT, Behaviour, Nat, NatModel
from sim.net.network import PORT
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_up

INSIDE, FIRST, SECOND = "198.51.100.7", "203.0.113.1", "203.0.113.2"


def behind_a_nat(mapping: Behaviour) -> NodeNet:
    """Returns a node behind a NAT with two neighbours."""
    net = NodeNet()
    for name in (FIRST, SECOND, INSIDE):
        net.add(name)
    net.hosts[INSIDE].nat = Nat(NatModel(mapping=mapping))
    for name in (FIRST, SECOND):
        net.join(INSIDE, name)
    net.run(3, until=lambda: is_up(net, INSIDE, FIRST) and is_up(net, INSIDE, SECOND))
    net.run(1.5)
    return net


def test_a_node_learns_its_outside_port_and_how_its_nat_maps_ports() -> None:
    net = behind_a_nat("endpoint-independent")
    view = net.hosts[INSIDE].node.outside.view
    assert view.addresses == (UnderlayAddress(INSIDE, FIRST_PORT),)
    assert view.mapping is Mapping.ENDPOINT_INDEPENDENT
    told = [one for one in net.hosts[INSIDE].node.journal.after(0) if one.kind is EventKind.OUTSIDE]
    assert (told[-1].after, told[-1].cause) == (Endpoint("udp", INSIDE, FIRST_PORT), "endpoint-independent")
    public = net.hosts[FIRST].node.outside.view
    assert (public.addresses, public.mapping) == ((UnderlayAddress(FIRST, PORT),), Mapping.UNKNOWN)


def test_a_nat_with_a_port_for_each_destination_is_told_as_one() -> None:
    net = behind_a_nat("address-and-port-dependent")
    assert net.hosts[INSIDE].node.outside.view.mapping is Mapping.ENDPOINT_DEPENDENT


def test_a_new_outside_port_is_told_again() -> None:
    net = behind_a_nat("endpoint-independent")
    nat = net.hosts[INSIDE].nat
    assert nat is not None
    nat.forget()
    moved = UnderlayAddress(INSIDE, FIRST_PORT + 1)
    net.run(10, until=lambda: net.hosts[INSIDE].node.outside.view.addresses == (moved,))


def test_what_a_neighbour_said_is_forgotten_with_its_link() -> None:
    net = behind_a_nat("endpoint-independent")
    for name in (FIRST, SECOND):
        net.close(name)
    net.run(60, until=lambda: not net.hosts[INSIDE].node.outside.view.addresses)
