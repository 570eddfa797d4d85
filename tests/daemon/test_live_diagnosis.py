"""What the operator is told of the choices of a running node."""

import asyncio

import pytest

from mycelium.admin.control import EventInfo
from mycelium.admin.diagnosis import ExplanationInfo
from mycelium.daemon import live_diagnosis
from mycelium.daemon.live_diagnosis import LiveDiagnosis
from mycelium.errors import LocalError
from mycelium.node.names import Names
from sim.net.node_net import NodeNet
from tests.support.small_meshes import square


def diagnosis_of(net: NodeNet, name: str, monkeypatch: pytest.MonkeyPatch, *events: EventInfo) -> LiveDiagnosis:
    monkeypatch.setattr(live_diagnosis, "monotonic", lambda: net.now)
    node = net.hosts[name].node
    names = Names(node.routing, is_private=True)
    return LiveDiagnosis(node, names, lambda after: list(events), lambda action: action(net.now))


def explain(diagnosis: LiveDiagnosis, node: str) -> ExplanationInfo:
    return asyncio.run(diagnosis.explain(node))


def text_of(net: NodeNet, name: str) -> str:
    return net.hosts[name].address_text


def change(number: int, node: str, kind: str = "route") -> EventInfo:
    return EventInfo(sequence=number, time=1.0, kind=kind, node=node)


def test_the_chosen_neighbour_is_the_forwarding_entry_and_the_newest_changes_are_of_this_route(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = square()
    far, near = text_of(net, "c"), text_of(net, "b")
    events = [change(number, far) for number in range(1, 8)] + [change(8, near), change(9, far, "link-up")]
    found = explain(diagnosis_of(net, "a", monkeypatch, *events), far)
    hop = net.hosts["a"].node.routing.forwarding.next_hop[net.hosts["c"].address]
    by_address = {host.address: host.address_text for host in net.hosts.values()}
    assert found.next_hop == by_address[hop]
    assert (found.candidates[0].next_hop, found.candidates[0].verdict) == (found.next_hop, "chosen")
    assert found.cost == found.candidates[0].cost
    assert found.chosen_s is not None
    assert 0 <= found.chosen_s <= net.now
    assert [one.sequence for one in found.changes] == [3, 4, 5, 6, 7]


def test_a_node_without_a_route_has_none_and_this_node_and_strangers_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = square()
    diagnosis = diagnosis_of(net, "a", monkeypatch)
    with pytest.raises(LocalError, match="is this node itself"):
        explain(diagnosis, text_of(net, "a"))
    with pytest.raises(LocalError, match="is no node that this one knows"):
        explain(diagnosis, "nobody")
    for name in "bd":
        net.cut("a", name)
    net.run(5)
    found = explain(diagnosis, text_of(net, "c"))
    assert (found.next_hop, found.cost, found.chosen_s) == (None, None, None)


def test_a_link_that_measures_something_else_than_it_counts_as_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    net = square()
    hop = net.hosts["a"].node.routing.forwarding.next_hop[net.hosts["c"].address]
    link = net.hosts["a"].node.links[hop]
    diagnosis = diagnosis_of(net, "a", monkeypatch)
    assert explain(diagnosis, text_of(net, "c")).candidates[0].pending_link_cost is None
    assert link.cost is not None
    for _ in range(2):
        link.costing._hysteresis.update(link.cost + 5_000, now=net.now)
    told = explain(diagnosis, text_of(net, "c")).candidates[0]
    assert (told.pending_link_cost, told.pending_s) == (link.cost + 5_000, 0.3)


@pytest.mark.parametrize("wanted", ["4b0::1", "4B0::1 ", "00" * 32])
def test_an_address_that_nobody_here_knows_is_that_of_a_node_without_a_route(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """So `mycelium ping` has the same exit status before and after a node is forgotten."""
    diagnosis = diagnosis_of(square(), "a", monkeypatch)
    assert asyncio.run(diagnosis.ping(wanted, wait_s=0.01)).error == "there is no route to it"
    traced = asyncio.run(diagnosis.trace(wanted))
    assert (traced.reached, traced.hops) == (False, [])


@pytest.mark.parametrize("wanted", ["berlin", "5", "40ff", "fe80::1", "2001:db8::1", "00" * 31])
def test_what_can_be_no_node_is_none_for_a_ping_either(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    net = square()
    diagnosis = diagnosis_of(net, "a", monkeypatch)
    for unfit in (wanted, text_of(net, "a")):
        with pytest.raises(
            LocalError, match=r"is no node that this one knows|nodes have addresses|is this node itself"
        ):
            asyncio.run(diagnosis.ping(unfit, wait_s=0.01))
