"""Two processes with one key at one neighbour: each has a link, and the neighbour's restart is noticed at once."""

from typing import cast

import pytest

from mycelium.link.events import CostChanged, LinkDown, LinkSuspected, LinkTrusted, LinkUp
from mycelium.link.link import LinkState
from mycelium.node.duplicates import Reaction
from mycelium.node.event_kind import EventKind
from mycelium.node.neighbours import ENDED_LINK_KEPT_S
from mycelium.node.second_links import is_second, tell_routing
from mycelium.routing.engine import RoutingEngine
from sim.net.node_net import NodeNet
from tests.link.support import HERE
from tests.support.small_meshes import deliver, is_whole, line, link_of, ping_until_answered

KEY = 777


def hub_with(*, old: int = 10) -> NodeNet:
    """Returns p, the hub h, and x at the hub."""
    net = NodeNet()
    line(net, "ph")
    net.add("x", seed=KEY, epoch=old)
    net.join("x", "h")
    net.run(5, until=lambda: is_whole(net))
    net.run(1)
    return net


def second(net: NodeNet, name: str, *, epoch: int) -> None:
    """Starts another process with the key of x, at the hub."""
    net.add(name, seed=KEY, epoch=epoch)
    net.join(name, "h")


def links_with_x(net: NodeNet) -> list[bytes]:
    """Returns the names of the hub's links with whoever has the key of x."""
    address = net.hosts["x"].address
    return [name for name in net.hosts["h"].node.links if name.startswith(address)]


def kinds(net: NodeNet, since: float) -> list[EventKind]:
    """Returns what the hub's journal tells of the links with x."""
    told = net.hosts["h"].node.journal.after(0)
    return [entry.kind for entry in told if entry.kind.value.startswith("link-") and entry.at >= since]


def test_both_processes_have_links_that_routing_knows() -> None:
    net = hub_with()
    second(net, "y", epoch=5)
    net.run(0.08)
    hub = net.hosts["h"].node
    first, other = links_with_x(net)
    assert (is_second(first), is_second(other)) == (False, True)
    assert {hub.links[name].state for name in (first, other)} == {LinkState.UP}
    assert {first, other} <= hub.routing.link_costs().keys()
    assert {route.neighbour for route in hub.routing.selected_routes()} == {
        net.hosts[name].address for name in ("p", "x")
    }
    assert [peer.link.address for peer in hub.snapshot(now=net.now).peers if peer.link is not None].count(
        net.hosts["x"].address
    ) == 2


@pytest.mark.parametrize("is_closed", [False, True])
def test_both_links_of_a_key_may_end_in_one_sweep(is_closed: bool) -> None:
    net = hub_with()
    second(net, "y", epoch=5)
    net.run(0.08)
    hub = net.hosts["h"].node
    first, other = (hub.links[name] for name in links_with_x(net))
    first.proofs.failure = other.proofs.failure = "no proof came"
    if is_closed:
        other.closed_by_peer, other.state = True, LinkState.DOWN
    hub.neighbours.sweep(now=net.now)
    hub.neighbours.sweep(now=net.now)
    assert links_with_x(net) == []


def test_a_node_that_stands_back_ends_a_second_link_that_is_over_with_the_first() -> None:
    net = hub_with()
    second(net, "y", epoch=5)
    net.run(0.08)
    hub = net.hosts["h"].node
    other = hub.links[links_with_x(net)[1]]
    other.closed_by_peer, other.state = True, LinkState.DOWN
    hub.neighbours._react(Reaction.STAND_BACK, now=net.now)
    assert hub.links == {}


def test_a_restart_before_the_old_link_is_dead_takes_its_place() -> None:
    net = hub_with()
    deliver(net, "p", "x")
    since = net.now
    net.restart("x", epoch=11)
    took = ping_until_answered(net, "p", "x", within=0.3)
    assert took < 0.1, "the later start has the address before the earlier one is found dead"
    net.run(ENDED_LINK_KEPT_S + 1.0)
    assert links_with_x(net) == [net.hosts["x"].address]
    assert kinds(net, since).count(EventKind.LINK_RESTARTED) == 1
    assert EventKind.LINK_DOWN not in kinds(net, since)
    hub = net.hosts["h"].node
    assert hub.routing.link_costs().keys() == {net.hosts[name].address for name in "px"}
    assert hub.routing.forwarding.next_hop[net.hosts["x"].address] == net.hosts["x"].address
    net.run(30)
    assert link_of(net, "h", "x").state is LinkState.UP
    assert links_with_x(net) == [net.hosts["x"].address]


def test_a_restart_after_a_goodbye_gets_the_link_that_there_was() -> None:
    net = hub_with()
    before = link_of(net, "h", "x")
    net.close("x")
    net.run(0.1)
    net.restart("x", epoch=11)
    net.run(0.5)
    assert link_of(net, "h", "x") is before
    assert before.state is LinkState.UP
    assert len(before.keypairs.by_index) == 1, "those of the process before are void"


def test_a_third_process_takes_the_place_of_the_second() -> None:
    net = hub_with()
    second(net, "y", epoch=5)
    net.run(0.08)
    second(net, "z", epoch=4)
    net.run(0.05)
    assert len(links_with_x(net)) == 2
    hub = net.hosts["h"].node
    assert hub.routing.link_costs().keys() == {net.hosts["p"].address, *links_with_x(net)}


@pytest.mark.parametrize("epoch", [5, 20], ids=["the second leaves", "the first leaves"])
def test_who_is_left_has_the_address_and_the_other_one_is_dialled_again(epoch: int) -> None:
    net = hub_with()
    net.connect("h", "y")
    for url in ("x", "y"):
        net.add_peer("h", f"udp://{url}:9651")
    net.run(0.5)
    net.add("y", seed=KEY, epoch=epoch)
    net.run(4)
    left, gone = ("x", "y") if epoch == 5 else ("y", "x")
    assert links_with_x(net) == [net.hosts["x"].address]
    assert {path.endpoint.host for path in link_of(net, "h", "x").paths} == {left}
    entries = net.hosts["h"].node.peers.by_url
    assert entries[f"udp://{left}:9651"].is_linked
    assert not entries[f"udp://{gone}:9651"].is_linked


def test_a_busy_host_that_seems_dead_keeps_its_keys_and_is_heard_again() -> None:
    net = hub_with()
    keypair = link_of(net, "x", "h").keypairs.sending
    net.starve("x", 0.7)
    second(net, "y", epoch=20)
    net.run(0.6)
    hub = net.hosts["h"].node
    first, other = links_with_x(net)
    assert link_of(net, "h", "x").paths.active.endpoint.host == "y"
    assert {hub.links[name].state for name in (first, other)} == {LinkState.UP, LinkState.DOWN}
    net.run(0.9)
    assert link_of(net, "x", "h").keypairs.sending is keypair
    net.run(2.0)
    assert links_with_x(net) == [net.hosts["x"].address]
    assert net.hosts["x"].node.links == {}


def test_a_first_link_that_is_removed_leaves_its_name_to_the_second() -> None:
    net = hub_with()
    second(net, "y", epoch=5)
    net.run(0.08)
    neighbours = net.hosts["h"].node.neighbours
    neighbours.remove(link_of(net, "h", "x"), "tried", now=net.now)
    assert links_with_x(net) == [net.hosts["x"].address]
    assert link_of(net, "h", "x").paths.active.endpoint.host == "y"


class Routing:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def neighbour_up(self, name: bytes, cost: int, *, now: float) -> None:
        self.told.append(("up", name, cost))

    def neighbour_down(self, name: bytes, *, now: float) -> None:
        self.told.append(("down", name))

    def neighbour_cost(self, name: bytes, cost: int, *, now: float) -> None:
        self.told.append(("cost", name, cost))

    def neighbour_suspect(self, name: bytes, suspected: bool, *, now: float) -> None:
        self.told.append(("suspect", name, suspected))


def test_routing_is_told_of_every_event_of_a_link() -> None:
    routing = Routing()
    for event in (
        LinkUp(b"n", HERE, 7),
        LinkSuspected(b"n", "silent", 0.1),
        LinkTrusted(b"n"),
        CostChanged(b"n", 8),
        LinkDown(b"n", "silent", 0.3),
    ):
        tell_routing(cast("RoutingEngine", routing), event, now=1.0)
    assert routing.told == [
        ("up", b"n", 7),
        ("suspect", b"n", True),
        ("suspect", b"n", False),
        ("cost", b"n", 8),
        ("down", b"n"),
    ]
