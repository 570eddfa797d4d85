"""Who sends and hears nothing finds another next hop, and goes back; nothing changes where nobody lies."""

from typing import Any

import pytest

from mycelium.dataplane.exploration import Exploration
from mycelium.dataplane.reachability import ASKED_S, FIRST_AVOIDED_S, REST_S, Reachability
from mycelium.dataplane.receiving import Receiving
from mycelium.dataplane.trial import LEAST_SILENT
from mycelium.limits import ASKED, FAILED_WAYS_PER_NEIGHBOUR, HINTS_AT_ONCE, NEIGHBOURS, PROBES_ANSWERED_PER_SECOND
from mycelium.link.link import Link
from mycelium.node.event_kind import EventKind
from mycelium.routing.excess import PROBES
from mycelium.routing.explain import Verdict
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.wire.reachability import ProbeKind, Reach, encode_reach
from mycelium.wire.train import ITEM_REACHABILITY
from sim.net.lying_node import corrupt
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_whole, ping, ping_until_answered, received

HEALED_S = 4.0  # until packets take another way, at most


def diamond(delay_s: float = 0.005) -> NodeNet:
    """Returns a mesh in which a reaches b over l, or over c and d, which is longer."""
    net = NodeNet()
    for name in "abcdl":
        net.add(name)
    for one, other in ("al", "lb", "ac", "cd", "db"):
        net.join(one, other, delay_s)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    assert next_hop(net, "a", "b") == next_hop(net, "b", "a") == "l"
    return net


def next_hop(net: NodeNet, name: str, destination: str) -> str:
    hop = net.hosts[name].node.routing.forwarding.next_hop[net.hosts[destination].address]
    return next(one for one, host in net.hosts.items() if host.address == hop)


def lie(net: NodeNet, how: str = "drop") -> None:
    corrupt(net.hosts["l"].node, how)
    if how != "drop":
        for row in net.hosts["l"].node.routing._table.rows.values():
            row.current = 0
        for neighbour in net.hosts["l"].node.routing._table.by_address.values():
            net.hosts["l"].node.routing._advertiser.dump(neighbour, now=net.now)
        net.run(0.1)


def events(net: NodeNet, name: str, kind: EventKind) -> list[Any]:
    return [entry for entry in net.hosts[name].node.journal.after(0) if entry.kind is kind]


def send_for(net: NodeNet, seconds: float, *, source: str = "a", destination: str = "b") -> None:
    """Sends a packet each 50 ms, which nothing answers."""
    end = net.now + seconds
    while net.now < end:
        ping(net, source, destination)
        net.run(0.05)


@pytest.mark.parametrize("how", ["drop", "attract"])
def test_packets_take_another_way_when_a_relay_drops_them(how: str) -> None:
    net = diamond()
    deliver(net, "a", "b")
    lie(net, how)
    assert ping_until_answered(net, "a", "b", within=HEALED_S, every=0.05) > 1.0
    net.run(1)
    assert next_hop(net, "a", "b") == "c"
    (found,) = events(net, "a", EventKind.ROUTE_AVOIDED)
    assert (found.node, found.after) == (net.hosts["b"].address, net.hosts["l"].address)
    explained = net.hosts["a"].node.routing.explain(net.hosts["b"].address, now=net.now)
    assert explained is not None
    verdicts = {one.neighbour: one.verdict for one in explained.candidates}
    assert verdicts[net.hosts["l"].address] is Verdict.AVOIDED


def test_both_ends_find_another_way_for_their_own_packets() -> None:
    net = diamond()
    deliver(net, "a", "b")
    lie(net)
    for _ in range(100):
        ping(net, "a", "b")
        ping(net, "b", "a")
        net.run(0.05)
    assert next_hop(net, "a", "b") == "c"
    assert next_hop(net, "b", "a") == "d"


def test_an_end_that_hears_all_learns_from_its_partner_that_it_is_not_heard() -> None:
    net = diamond()
    deliver(net, "a", "b")

    class HalfDeaf(Receiving):
        """Drops what is for a."""

        def _next_link(
            self, header: Any, frame: memoryview, position: int, end: int, neighbour: bytes, *, now: float
        ) -> Link | None:
            if header[7] == net.hosts["a"].address:
                return None
            return super()._next_link(header, frame, position, end, neighbour, now=now)

    net.hosts["l"].node.receiving.__class__ = HalfDeaf
    send_for(net, 6.0)
    assert next_hop(net, "b", "a") == "d"
    assert next_hop(net, "a", "b") == "l"
    assert len(received(net, "b")) > 100


def test_a_session_is_set_up_around_a_relay_that_drops_its_messages() -> None:
    net = diamond()
    lie(net, "attract")
    net.run(1)
    ping_until_answered(net, "a", "b", within=2.0 + HEALED_S, every=0.05)


def test_the_way_back_is_taken_once_probes_pass_again() -> None:
    net = diamond()
    deliver(net, "a", "b")
    honest = type(net.hosts["l"].node.receiving)
    lie(net)
    send_for(net, HEALED_S)
    assert next_hop(net, "a", "b") == "c"
    net.hosts["l"].node.receiving.__class__ = honest
    send_for(net, FIRST_AVOIDED_S / 2)
    assert next_hop(net, "a", "b") == "c"
    send_for(net, FIRST_AVOIDED_S)
    assert next_hop(net, "a", "b") == "l"
    assert len(events(net, "a", EventKind.ROUTE_TRUSTED)) == 1


def test_a_relay_that_goes_on_dropping_is_probed_ever_more_seldom_and_loses_nothing_more() -> None:
    net = diamond()
    deliver(net, "a", "b")
    lie(net)
    send_for(net, HEALED_S)
    before = len(received(net, "b"))
    send_for(net, 60.0)
    assert len(received(net, "b")) >= before + 1190
    assert next_hop(net, "a", "b") == "c"
    assert len(events(net, "a", EventKind.ROUTE_AVOIDED)) == 1


def test_one_way_traffic_costs_a_probe_now_and_then_and_changes_nothing() -> None:
    net = diamond()
    deliver(net, "a", "b")
    probes = items_of(net, "b")
    send_for(net, 30.0)
    assert 3 <= len(probes) <= 30 / REST_S + 1
    assert next_hop(net, "a", "b") == "l"
    assert not events(net, "a", EventKind.ROUTE_AVOIDED)


def test_traffic_that_is_answered_costs_no_probe() -> None:
    net = diamond()
    deliver(net, "a", "b")
    probes = items_of(net, "b")
    for _ in range(200):
        ping(net, "a", "b")
        ping(net, "b", "a")
        net.run(0.05)
    assert probes == []


def test_a_partner_that_is_silent_over_every_neighbour_changes_no_route() -> None:
    net = diamond()
    deliver(net, "a", "b")
    net.hosts["b"].node.receiving.receive_frame = lambda frame, *, now, neighbour=b"": None  # type: ignore[method-assign]
    send_for(net, 10.0)
    assert next_hop(net, "a", "b") == "l"
    assert events(net, "a", EventKind.NEIGHBOUR_AVOIDED) == []


def items_of(net: NodeNet, name: str) -> list[bytes]:
    """Returns a list that collects the probes that a host receives."""
    found: list[bytes] = []
    handlers = net.hosts[name].node.receiving.item_handlers
    take = handlers[ITEM_REACHABILITY]

    def watch(session: Any, body: memoryview, *, hop_limit: int, now: float) -> None:
        found.append(bytes(body))
        take(session, body, hop_limit=hop_limit, now=now)

    handlers[ITEM_REACHABILITY] = watch
    return found


def test_a_node_without_traffic_does_nothing_for_it() -> None:
    net = diamond()
    deliver(net, "a", "b")
    net.run(10.0)
    reachability = net.hosts["a"].node.reachability
    assert not reachability._searches
    assert not reachability._unheard
    probes = items_of(net, "b")
    net.run(60.0)
    assert probes == []


def test_a_neighbour_is_distrusted_when_those_beyond_it_that_were_chosen_are_silent_and_then_trusted_again() -> None:
    net = NodeNet()
    for name in "albcdef":
        net.add(name)
    for one, other in ("al", "lb", "lc", "ld", "le", "af"):
        net.join(one, other)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    honest = type(net.hosts["l"].node.receiving)
    lie(net)
    send_for(net, 8.0)
    (found,) = events(net, "a", EventKind.NEIGHBOUR_AVOIDED)
    assert found.node == net.hosts["l"].address
    assert found.count >= LEAST_SILENT
    assert net.hosts["a"].node.routing.link_costs()[net.hosts["l"].address] >= DAMPED_COST
    net.hosts["l"].node.receiving.__class__ = honest
    send_for(net, 60.0)
    assert net.hosts["a"].node.routing.link_costs()[net.hosts["l"].address] < DAMPED_COST


def test_a_hint_counts_from_neighbours_only() -> None:
    net = diamond()
    deliver(net, "a", "b")
    deliver(net, "c", "b")
    hint = encode_reach(Reach(ProbeKind.LOOK, bytes(8), net.hosts["l"].address))
    far, near = (net.hosts["b"].node.sessions.find(net.hosts[one].address, now=net.now) for one in "ad")
    for session in (far, near):
        net.hosts["b"].node.reachability.take(session, memoryview(hint), hop_limit=64, now=net.now)
    assert net.hosts["l"].address not in net.hosts["b"].node.sessions.by_peer
    about = encode_reach(Reach(ProbeKind.LOOK, bytes(8), net.hosts["c"].address))
    net.hosts["b"].node.reachability.take(near, memoryview(about), hop_limit=64, now=net.now)
    assert net.hosts["c"].address in net.hosts["b"].node.sessions.by_peer


@pytest.mark.parametrize("body", [b"", b"\x01" * 10])
def test_what_is_no_probe_is_dropped_and_counted(body: bytes) -> None:
    net = diamond()
    deliver(net, "a", "b")
    node = net.hosts["a"].node
    session = node.sessions.find(net.hosts["b"].address, now=net.now)
    node.reachability.take(session, memoryview(body), hop_limit=64, now=net.now)
    assert node.dataplane_counters.trains_malformed == 1


def test_probes_beyond_the_rate_are_not_answered() -> None:
    net = diamond()
    deliver(net, "a", "b")
    node = net.hosts["a"].node
    session = node.sessions.find(net.hosts["b"].address, now=net.now)
    probe = memoryview(encode_reach(Reach(ProbeKind.PROBE, bytes(8))))
    for _ in range(PROBES_ANSWERED_PER_SECOND + 5):
        node.reachability.take(session, probe, hop_limit=64, now=net.now)
    assert node.dataplane_counters.probes_refused == 5
    assert node.routing.excesses.take() == [(session.peer, PROBES)]


def test_no_more_neighbours_and_partners_are_remembered_than_the_bounds_and_the_oldest_give_way() -> None:
    net = NodeNet()
    net.add("a")
    reachability = net.hosts["a"].node.reachability
    partners = [b"p%15d" % number for number in range(FAILED_WAYS_PER_NEIGHBOUR + 1)]
    for partner in partners:
        reachability._fail(partner, b"first", is_avoided=True, now=1.0)
    assert list(reachability._failures[b"first"]) == partners[1:]
    neighbours = [b"n%15d" % number for number in range(NEIGHBOURS)]
    for neighbour in neighbours:
        reachability._fail(partners[0], neighbour, is_avoided=True, now=2.0)
    assert list(reachability._failures) == neighbours
    reachability._fail(partners[1], neighbours[0], is_avoided=True, now=3.0)
    assert list(reachability._failures) == neighbours, "one that is known already takes no place of others"


def test_nodes_without_a_session_that_were_asked_at_one_time_are_each_given_up() -> None:
    net = diamond()
    reachability, over = net.hosts["a"].node.reachability, net.hosts["l"].address
    unknown = [b"p%15d" % number for number in range(2)]
    for node in unknown:
        reachability._ask(node, over, now=net.now)
    net.run(ASKED_S + 1.0)
    assert list(reachability._failures[over]) == unknown


def test_a_liar_is_distrusted_also_where_those_beyond_it_can_not_be_asked_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = NodeNet()
    for name in "albcdef":
        net.add(name)
    for one, other in ("al", "lb", "lc", "ld", "le", "af"):
        net.join(one, other)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    node, over, now = net.hosts["a"].node, net.hosts["l"].address, net.now
    lie(net)
    reachability = node.reachability
    reachability._asked = {b"p%15d" % number: (over, now + ASKED_S) for number in range(ASKED)}
    reachability._suspects.suspect(over, net.hosts["b"].address, now=now)
    assert net.hosts["b"].address not in reachability._asked
    net.run(3 * ASKED_S)
    assert reachability.distrusted == [over]


def test_a_node_that_is_searched_over_a_neighbour_is_not_asked_for_over_it_besides() -> None:
    net = diamond()
    deliver(net, "a", "b")
    reachability = net.hosts["a"].node.reachability
    b, c, over = (net.hosts[name].address for name in "bcl")
    reachability._search(b, is_urgent=False, now=net.now)
    reachability._ask(b, over, now=net.now)
    assert b not in reachability._asked
    reachability._ask(b, c, now=net.now)
    assert reachability._asked[b][0] == c


def test_a_search_that_is_due_has_no_others_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    net = diamond()
    deliver(net, "a", "b")
    node = net.hosts["a"].node
    real, way = node.sessions.find(net.hosts["b"].address, now=net.now), net.hosts["l"].address
    looked_at: list[bytes] = []
    whole = Reachability._go_on

    def go_on(self: Reachability, partner: bytes, search: Exploration, *, now: float) -> None:
        looked_at.append(partner)
        whole(self, partner, search, now=now)

    monkeypatch.setattr(Reachability, "_go_on", go_on)
    partners = [b"\x04" + bytes(14) + bytes([number]) for number in range(20)]
    probe = memoryview(encode_reach(Reach(ProbeKind.EXPLORE, bytes(8))))
    for number, partner in enumerate(partners):
        session = node.sessions.find(partner, now=net.now)
        session.sending = real.sending
        node.routing.forwarding.next_hop[partner] = way
        node.reachability.take(session, probe, hop_limit=64, now=net.now + number * 0.01)
    assert looked_at == partners
    due = min(search.due_at for search in node.reachability._searches.values())
    node.reachability.handle_timeout(now=due)
    assert looked_at[len(partners) :] == partners[:1]


def test_a_search_is_over_when_its_answer_comes() -> None:
    net = diamond()
    deliver(net, "a", "b")
    reachability, partner = net.hosts["a"].node.reachability, net.hosts["b"].address
    reachability._search(partner, is_urgent=False, now=net.now)
    net.drain("a")
    due = reachability._searches[partner].due_at
    net.run(0.03)
    assert net.now < due
    assert partner not in reachability._searches


def test_hints_beyond_the_rate_are_not_taken_and_say_nothing_against_a_neighbour_that_has_many() -> None:
    net = diamond()
    deliver(net, "a", "b")
    deliver(net, "d", "b")
    node = net.hosts["b"].node
    near = node.sessions.find(net.hosts["d"].address, now=net.now)
    hint = memoryview(encode_reach(Reach(ProbeKind.LOOK, bytes(8), net.hosts["c"].address)))
    for _ in range(HINTS_AT_ONCE + 3):
        node.reachability.take(near, hint, hop_limit=64, now=net.now)
    assert node.dataplane_counters.probes_refused == 3
    assert node.routing.excesses.take() == []
