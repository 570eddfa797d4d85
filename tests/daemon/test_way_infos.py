"""What operators are told of nodes to which their node keeps no route: how packets leave for them, or why none do."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address

import pytest

from mycelium.admin.diagnosis import ExplanationInfo, WayInfo
from mycelium.daemon import live_diagnosis, probing, way_infos
from mycelium.daemon.link_infos import session_infos
from mycelium.daemon.live_diagnosis import LiveDiagnosis
from mycelium.daemon.way_infos import NO_ROUTE, look_up, way_info, why_none
from mycelium.errors import LocalError
from mycelium.node.names import Names
from mycelium.routing.resolution import PENDING
from sim.net.node_net import NodeNet
from tests.daemon.test_probing import ping, probe, text, trace
from tests.support.small_meshes import deliver, ready_line
from tests.support.small_tables import small_line
from tests.support.virtual_loop import VirtualLoop

NOBODY = "4aa:1:2:3::4"


@pytest.fixture(scope="module")
def net() -> NodeNet:
    return small_line()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TRACE_WAIT_S", 0.5)


def homes_of(net: NodeNet, name: str) -> list[str]:
    return [str(IPv6Address(home)) for home in net.hosts[name].node.routing.landmarks.homes]


def explain(net: NodeNet, monkeypatch: pytest.MonkeyPatch, asked: str) -> ExplanationInfo:
    """Has a explain how it reaches a node while the time of the network passes."""
    monkeypatch.setattr(live_diagnosis, "monotonic", lambda: net.now)
    host = net.hosts["a"]

    def act(action: Callable[[float], None]) -> None:
        action(net.now)
        net.drain("a")

    diagnosis = LiveDiagnosis(host.node, Names(host.node.routing, is_private=False), lambda after: [], act)

    async def run() -> ExplanationInfo:
        asking = asyncio.ensure_future(diagnosis.explain(asked))
        while not asking.done():
            net.run(0.005)
            await asyncio.sleep(0)
        return await asking

    loop = VirtualLoop(net)
    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


def test_a_node_without_a_route_is_found_by_its_home(net: NodeNet) -> None:
    found = ping(net, "a", "j")
    assert (found.error, found.hops, found.next_hop, found.direct) == (None, 9, text(net, "b"), False)
    assert (found.has_route, found.homes, found.waypoint) == (False, homes_of(net, "j"), homes_of(net, "j")[0])
    assert found.name == "far"


def test_a_trace_shows_the_whole_way_and_where_it_leads_first(net: NodeNet) -> None:
    found = trace(net, "a", "j")
    assert [hop.node for hop in found.hops] == [text(net, name) for name in "bcdefghij"]
    assert (found.reached, found.has_route, found.waypoint) == (True, False, homes_of(net, "j")[0])


def test_a_node_with_a_route_is_not_looked_up(net: NodeNet) -> None:
    before = net.hosts["a"].node.metrics.values()["lookups"]
    found = ping(net, "a", "b")
    assert (found.direct, found.has_route, found.homes, found.waypoint) == (True, True, [], None)
    assert net.hosts["a"].node.metrics.values()["lookups"] == before


def test_who_asks_for_an_explanation_is_told_of_the_home(net: NodeNet, monkeypatch: pytest.MonkeyPatch) -> None:
    key = net.hosts["i"].node.identity.exchange_public_key.hex()
    for asked in (text(net, "i"), key, text(net, "i")[:14]):  # the last one is the beginning of what was looked up
        found = explain(net, monkeypatch, asked)
        assert (found.node, found.next_hop, found.cost, found.error) == (text(net, "i"), text(net, "b"), None, None)
        assert (found.has_route, found.homes, found.candidates) == (False, homes_of(net, "i"), [])
    near = explain(net, monkeypatch, text(net, "b"))
    assert (near.has_route, near.homes, near.waypoint) == (True, [], None)
    own_subnet = f"{IPv6Address(net.hosts['a'].address[:8] + bytes(8))}/64"
    with pytest.raises(LocalError, match="is this node itself"):
        explain(net, monkeypatch, own_subnet)


def test_an_address_that_no_landmark_knows_is_called_so(net: NodeNet, monkeypatch: pytest.MonkeyPatch) -> None:
    landmarks = sum(host.node.routing.is_landmark for host in net.hosts.values())
    why = f"there is no route to it here, and none of {landmarks} landmarks has told where it is at home"
    address = IPv6Address(NOBODY).packed
    found = probe(net, "a", lambda probing_: probing_.ping(address, wait_s=0.5))
    assert (found.node, found.next_hop, found.error) == (NOBODY, None, why)
    assert explain(net, monkeypatch, NOBODY).error == why
    with pytest.raises(LocalError, match="is no node that this one knows"):
        explain(net, monkeypatch, "4aa:1")


def test_sessions_tell_towards_whom_their_trains_leave(net: NodeNet) -> None:
    deliver(net, "a", "j")
    (found,) = [
        one for one in session_infos(net.hosts["a"].node, lambda node: None, now=net.now) if one.node == text(net, "j")
    ]
    assert (found.next_hop, found.has_route, found.direct) == (text(net, "b"), False, False)
    assert found.waypoint is not None


def test_a_home_without_a_route_is_named(net: NodeNet) -> None:
    node = net.hosts["a"].node
    ping(net, "a", "j")
    way = way_info(node, net.hosts["j"].address)
    assert why_none(node, way) == f"it is at home at {' and '.join(way.homes)}, to which there is no route"


def test_a_full_table_without_landmarks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    node = ready_line("abc").hosts["a"].node
    monkeypatch.setattr(node.routing._scope, "is_cutting", True)
    nothing = WayInfo(node="", next_hop=None, has_route=False)
    assert why_none(node, nothing).endswith("nor to any landmark that could tell where it is at home")


def test_without_landmarks_nobody_is_asked_and_a_look_up_that_nobody_answers_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = ready_line("abc")
    node = line.hosts["a"].node
    address = IPv6Address(NOBODY).packed
    assert asyncio.run(look_up(node, lambda action: action(line.now), address)) == address
    assert why_none(node, way_info(node, address)) == NO_ROUTE
    monkeypatch.setattr(way_infos, "LOOKUP_S", 0.05)
    monkeypatch.setattr(node.directory, "resolve", lambda address, *, now: PENDING)
    assert asyncio.run(look_up(node, lambda action: action(line.now), address)) == address
