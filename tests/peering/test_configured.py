"""Configured peers: which neighbour each leads to, how soon a lost one is found again, and what has it dialled at once."""

import random
from itertools import pairwise
from math import inf

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.limits import CONFIGURED_PEERS, ENDPOINTS_PER_PEER
from mycelium.link.causes import THIS_NODE
from mycelium.link.link import LinkState
from mycelium.peering.configured import FALLBACK_AFTER_S, FRESH_S, OWN_ENDPOINT_S, ConfiguredPeer, PeerList
from mycelium.peering.dialler import Candidate, Source
from mycelium.wire.datagram import HANDSHAKE_1
from sim.net.network import PORT, url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_up, link_of, ping, ping_until_answered, reaches, ready_line, ready_pair

NEIGHBOUR, OTHER = b"n" * 16, b"o" * 16
KEY, OTHER_KEY = b"k" * 32, b"x" * 32
HERE, THERE = Endpoint("udp", "192.0.2.1", PORT), Endpoint("udp", "192.0.2.2", PORT)


def peer_list(*urls: str) -> PeerList:
    peers = PeerList(random.Random(1))
    for url in urls:
        peers.add(url, None, now=0.0)
    return peers


# -- the peer list -----------------------------------------------------------------------------------------------------


def test_a_peer_lost_long_ago_is_dialled_less_often() -> None:
    peers = peer_list("b")
    dialled = [0.0]
    while dialled[-1] < 3 * FRESH_S:
        assert peers.take_due(now=peers.next_deadline())
        dialled.append(peers.next_deadline())
    gaps = {True: [0.0], False: [0.0]}
    for one, other in pairwise(dialled):
        gaps[one > FRESH_S].append(other - one)
    assert max(gaps[False]) < 8.5  # 7 s of which are the attempt itself
    assert 20.0 < max(gaps[True]) < 26.0
    assert len(set(gaps[True])) == len(gaps[True])  # jitter


def test_the_earliest_attempt_is_known_whatever_happens_to_peers() -> None:
    dice, peers = random.Random(1), peer_list(*"abcdef")
    for now in map(float, range(1, 2_000)):
        url = dice.choice("abcdef")
        peer = peers.by_url[url]
        match dice.randrange(9):
            case 0:
                peer.connected(NEIGHBOUR, (HERE,))
            case 1:
                peer.disconnected(HERE, "silent", now=now)
            case 2:
                peer.unlink()
            case 3:
                peer.resolved([dice.choice((HERE, THERE, Endpoint("tcp", "192.0.2.1", PORT)))], now=now)
            case 4:
                peer.failed(HERE, dice.choice((THIS_NODE, "silent")), now=now)
            case 5:
                peers.take_due(now=now)
            case 6:
                peers.retry_all(now=now)
            case 7:
                peers.remove(url)
                peers.add(url, None, now=now)
            case 8:
                peers.left(NEIGHBOUR, (THERE,))
        waiting = [one.next_attempt for one in peers.by_url.values() if not one.is_settled]
        assert peers.next_deadline() == min(waiting, default=inf)


def test_the_earliest_attempt_is_searched_for_only_when_a_peer_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = peer_list("a", "b")
    due = peers.next_deadline()
    monkeypatch.setattr(ConfiguredPeer, "is_settled", property(lambda peer: pytest.fail("it is looked at")))
    assert peers.next_deadline() == due
    assert peers.take_due(now=due - 1.0) == []


def test_a_peer_whose_link_was_up_for_long_counts_as_newly_lost() -> None:
    peers = peer_list("one")
    peers.by_url["one"].connected(NEIGHBOUR, ())
    peers.disconnected(NEIGHBOUR, HERE, "silent", now=10 * FRESH_S)
    for _ in range(10):
        now = peers.next_deadline()
        assert peers.take_due(now=now)
    assert peers.next_deadline() - now < 8.5


def test_a_peer_is_dialled_at_the_first_addresses_of_its_name_the_best_first() -> None:
    peers = PeerList(random.Random(1))
    peers.add("udp://b:1", KEY, now=0.0)
    endpoints = [HERE._replace(port=port) for port in range(1, 10)]
    candidates = peers.by_url["udp://b:1"].resolved(endpoints, now=0.0)
    assert [candidate.endpoint for candidate in candidates] == endpoints[:ENDPOINTS_PER_PEER]
    assert [candidate.priority for candidate in candidates] == list(range(ENDPOINTS_PER_PEER))
    assert {(one.source, one.pin, one.url) for one in candidates} == {(Source.PEER_LIST, KEY, "udp://b:1")}


def test_a_look_up_that_finds_nothing_gives_nothing_to_dial_and_forgets_no_address() -> None:
    peers = peer_list("one")
    peers.by_url["one"].resolved([HERE], now=0.0)
    assert peers.by_url["one"].resolved([], now=0.0) == []
    assert peers.missing_at((HERE,), KEY) == [peers.by_url["one"]]


def test_a_neighbour_is_the_answer_to_every_entry_with_its_address_and_no_other_pin() -> None:
    peers = peer_list("by name", "by address", "elsewhere", "unresolved")
    peers.add("right pin", KEY, now=0.0)
    peers.add("wrong pin", OTHER_KEY, now=0.0)
    for url, peer in peers.by_url.items():
        peer.resolved([] if url == "unresolved" else [THERE] if url == "elsewhere" else [THERE, HERE], now=0.0)
    assert [peer.url for peer in peers.missing_at((HERE,), KEY)] == ["by name", "by address", "right pin"]
    peers.by_url["by name"].connected(NEIGHBOUR, (HERE,))
    assert [peer.url for peer in peers.missing_at((HERE,), KEY)] == ["by address", "right pin"]


def test_peers_without_a_link_are_due_and_those_whose_link_goes_down_at_once() -> None:
    peers = peer_list("one", "other")
    peers.by_url["one"].connected(NEIGHBOUR, ())
    assert [peer.url for peer in peers.take_due(now=0.0)] == ["other"]
    assert peers.take_due(now=1.0) == []
    peers.disconnected(OTHER, HERE, "silent", now=2.0)
    assert peers.take_due(now=2.0) == []
    peers.disconnected(NEIGHBOUR, HERE, "silent", now=2.0)
    assert peers.next_deadline() == 2.0
    assert [peer.url for peer in peers.take_due(now=2.0)] == ["one"]


def test_entries_that_lead_only_to_a_process_that_is_gone_are_dialled_again() -> None:
    peers = peer_list("both", "gone")
    for url, endpoints in (("both", [HERE, THERE]), ("gone", [THERE])):
        peers.by_url[url].resolved(endpoints, now=0.0)
        peers.by_url[url].connected(NEIGHBOUR, (HERE, THERE))
    peers.left(NEIGHBOUR, {HERE})
    assert [(url, peer.is_linked) for url, peer in peers.by_url.items()] == [("both", True), ("gone", False)]


def test_the_better_medium_is_dialled_first_and_again_while_the_link_is_over_another() -> None:
    peers = peer_list("b")
    [peer] = peers.by_url.values()
    by_tcp = HERE._replace(scheme="tcp")
    dialled = [(one.endpoint, one.delay_s) for one in peer.resolved([HERE, THERE, by_tcp], now=0.0)]
    assert dialled == [(HERE, 0.0), (THERE, 0.0), (by_tcp, FALLBACK_AFTER_S)]
    peer.connected(NEIGHBOUR, (by_tcp,))
    assert peer.is_linked
    assert not peer.is_settled
    assert peers.failed("b", HERE, "no answer", now=6.0) == 0
    assert not peer.failures
    assert [(one.endpoint, one.delay_s) for one in peer.resolved([HERE, by_tcp], now=0.0)] == [(HERE, 0.0)]
    assert peers.take_due(now=peers.next_deadline()) == [peer]
    assert peers.missing_at((HERE,), KEY) == [peer]
    peer.connected(NEIGHBOUR, (HERE,))
    peer.connected(NEIGHBOUR, (by_tcp,))
    assert peer.is_settled
    assert peers.next_deadline() == inf
    peers.disconnected(NEIGHBOUR, HERE, "silent", now=50.0)
    assert [one.delay_s for one in peer.resolved([HERE, by_tcp], now=50.0)] == [0.0, FALLBACK_AFTER_S]


def test_as_many_addresses_are_dialled_over_each_medium() -> None:
    [peer] = peer_list("b").by_url.values()
    hosts = [HERE._replace(port=port) for port in range(1, 10)]
    candidates = peer.resolved([*hosts, *(host._replace(scheme="tcp") for host in hosts)], now=0.0)
    assert [one.endpoint.scheme for one in candidates] == ["udp"] * ENDPOINTS_PER_PEER + ["tcp"] * ENDPOINTS_PER_PEER


def test_where_a_link_may_fail_the_endpoints_without_a_path_are_dialled_at_once() -> None:
    [peer] = peer_list("b").by_url.values()
    by_tcp = HERE._replace(scheme="tcp")
    peer.resolved([HERE, by_tcp], now=0.0)
    assert [(one.endpoint, one.delay_s) for one in peer.others({HERE})] == [(by_tcp, 0.0)]
    assert peer.others({HERE, by_tcp}) == []


@pytest.mark.parametrize("event", ["network changed", "neighbour returned"])
def test_some_events_have_a_missing_peer_dialled_at_once(event: str) -> None:
    peers = peer_list("missing", "other")
    for peer in peers.by_url.values():
        peer.connected(NEIGHBOUR if peer.url == "missing" else OTHER, ())
        peer.disconnected(HERE, "silent", now=0.0)
    for _ in range(20):
        peers.take_due(now=peers.next_deadline())
    now = peers.next_deadline() - 5.0
    if event == "network changed":
        peers.retry_all(now=now)
        assert [peer.url for peer in peers.take_due(now=now)] == ["missing", "other"]
    else:
        peers.returned(NEIGHBOUR, now=now)
        assert [peer.url for peer in peers.take_due(now=now)] == ["missing"]
    assert peers.by_url["missing"].next_attempt - now < 8.0


def test_failures_are_counted_in_a_row_and_only_without_a_link() -> None:
    peers = peer_list("one")

    def fail(cause: str = "no answer", url: str = "one") -> int:
        return peers.failed(url, HERE, cause, now=0.0)

    assert [fail(), fail(), fail(url="removed"), fail("no route")] == [1, 2, 0, 1]
    peers.by_url["one"].connected(NEIGHBOUR, ())
    assert fail() == 0
    peers.returned(NEIGHBOUR, now=1.0)
    peers.disconnected(NEIGHBOUR, HERE, "silent", now=2.0)
    assert fail() == 1


def test_a_peer_s_last_error_is_the_newest_at_each_address_and_none_once_its_link_is_up() -> None:
    peers = peer_list("one")
    one = peers.by_url["one"]
    peers.failed("one", None, "the name is not known", now=0.0)
    assert one.failures.causes() == ((None, "the name is not known"),)
    one.resolved([HERE, THERE], now=0.0)
    assert not one.failures
    for endpoint, cause in ((HERE, "no answer"), (THERE, "no answer"), (HERE, "no route")):
        peers.failed("one", endpoint, cause, now=0.0)
    assert one.failures.causes() == ((HERE, "no route"), (THERE, "no answer"))
    one.resolved([THERE], now=0.0)
    assert one.failures.causes() == ((THERE, "no answer"),)
    one.connected(NEIGHBOUR, ())
    assert one.failures
    peers.returned(NEIGHBOUR, now=0.0)
    assert not one.failures
    peers.disconnected(NEIGHBOUR, THERE, "eth0 lost its carrier", now=1.0)
    assert one.failures.causes() == ((THERE, "eth0 lost its carrier"),)


def test_an_address_that_is_this_node_s_own_is_not_dialled_again_before_the_network_changes() -> None:
    peers = peer_list("one")
    one = peers.by_url["one"]
    peers.take_due(now=0.0)
    assert len(one.resolved([HERE, THERE], now=0.0)) == 2
    peers.failed("one", HERE, THIS_NODE, now=0.1)
    assert peers.next_deadline() < 9.0
    assert [candidate.endpoint for candidate in one.resolved([HERE, THERE], now=9.0)] == [THERE]
    peers.failed("one", THERE, THIS_NODE, now=9.1)
    assert peers.next_deadline() == pytest.approx(9.1 + OWN_ENDPOINT_S)
    peers.retry_all(now=20.0)
    assert len(one.resolved([HERE, THERE], now=20.0)) == 2


def test_a_name_that_leads_to_this_node_only_is_looked_up_again_when_its_address_may_be_another_s() -> None:
    peers = peer_list("one")
    one = peers.by_url["one"]
    one.resolved([HERE], now=0.0)
    peers.failed("one", HERE, THIS_NODE, now=0.0)
    assert one.resolved([HERE], now=OWN_ENDPOINT_S - 1) == []
    assert peers.next_deadline() == OWN_ENDPOINT_S
    assert len(one.resolved([HERE], now=OWN_ENDPOINT_S)) == 1


def test_the_peer_list_is_bounded_and_names_each_peer_once() -> None:
    peers = peer_list(*(f"udp://b:{port}" for port in range(CONFIGURED_PEERS)))
    with pytest.raises(LocalError, match="full"):
        peers.add("udp://c:1", None, now=0.0)
    assert peers.remove("udp://b:0").url == "udp://b:0"
    with pytest.raises(LocalError, match="udp://b:0 is not in the peer list"):
        peers.remove("udp://b:0")
    with pytest.raises(LocalError, match="udp://b:1 is in the peer list already"):
        peers.add("udp://b:1", None, now=0.0)


# -- entries that lead to the same place -------------------------------------------------------------------------------


def first_messages(net: NodeNet) -> int:
    """Returns how many handshakes were started since the capture began."""
    assert net.capture is not None
    return len({data for _, _, data in net.capture if data[0] == HANDSHAKE_1})


def link_flags(net: NodeNet, name: str) -> list[bool]:
    return [peer.is_linked for peer in net.hosts[name].node.peers.by_url.values()]


BY_NAME, BY_ADDRESS = "udp://b:1", "udp://b:2"  # both stand for b's one endpoint


@pytest.mark.parametrize("wrong_first", [True, False])
def test_a_wrongly_pinned_entry_does_not_hold_up_the_right_one_for_the_same_address(wrong_first: bool) -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    wrong, right = (url_of("b") + "#wrong", OTHER_KEY), (url_of("b"), net.hosts["b"].identity.exchange_public_key)
    for url, pin in (wrong, right) if wrong_first else (right, wrong):
        net.hosts["a"].node.peers.add(url, pin, now=net.now)
        net.hosts["a"].node.peer_resolved(url, [Endpoint("udp", "b", PORT)], now=net.now)
        net.drain("a")
    net.run(0.1, until=lambda: is_up(net, "a", "b"))
    net.run(30)
    assert is_up(net, "a", "b")
    assert {peer.url: peer.is_linked for peer in net.hosts["a"].node.peers.by_url.values()} == {
        wrong[0]: False,
        right[0]: True,
    }


def test_two_entries_for_one_host_share_one_handshake_and_one_link() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    net.capture = []
    net.add_peer("a", BY_NAME)
    net.add_peer("a", BY_ADDRESS)
    net.run(60)
    assert first_messages(net) == 1
    assert link_flags(net, "a") == [True, True]
    net.hosts["a"].node.remove_peer(BY_NAME, now=net.now)
    net.drain("a")
    net.run(1)
    assert is_up(net, "a", "b")


def test_a_configured_peer_that_discovery_dials_first_has_its_link_from_that_handshake() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    net.capture = []
    node = net.hosts["a"].node
    node.dialler.dial(Candidate(Endpoint("udp", "b", PORT), Source.DISCOVERY), now=net.now)
    net.add_peer("a", BY_NAME)
    net.run(60)
    assert first_messages(net) == 1
    assert link_flags(net, "a") == [True]


def test_entries_for_two_addresses_of_one_host_become_two_paths_of_one_link() -> None:
    net = NodeNet(pktinfo=True)
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    net.add_address("b", "b2")
    net.add_peer("a", url_of("b"))
    net.add_peer("a", url_of("b2"))
    net.run(1)
    assert sorted(path.endpoint.host for path in link_of(net, "a", "b").paths) == ["b", "b2"]
    assert link_flags(net, "a") == [True, True]


# -- peers that go and come back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gone_s", [40.0, 100.0, 280.0])
def test_a_peer_lost_minutes_ago_is_found_within_five_seconds_of_its_return(gone_s: float, seed: int) -> None:
    net = ready_pair(seed=seed)
    net.stop("b")
    net.run(gone_s + seed)
    net.restart("b")
    assert net.run(30, until=lambda: is_up(net, "a", "b")) < 5.0


def test_a_peer_that_comes_to_us_is_dialled_at_its_address_at_once() -> None:
    net = ready_pair()
    url = url_of("b")
    net.stop("b")
    net.run(1_000.0)
    b = net.restart("b")
    peer = net.hosts["a"].node.peers.by_url[url]
    peer.next_attempt = net.now + 18.0
    b.node.handshakes.begin(Endpoint("udp", "a", PORT), pin=None, now=net.now)
    net.drain("b")

    net.run(1.0, until=lambda: peer.is_linked)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gone_s", [0.3, 1.0, 3.0])
def test_a_relay_that_was_killed_carries_again_within_a_second_of_its_start(gone_s: float, seed: int) -> None:
    net = ready_line("arb", 0.0005, seed=seed)  # a dials the relay, which dials b
    ping_under_way(net, 2.0)
    net.stop("r")
    ping_under_way(net, gone_s)
    net.restart("r")
    assert ping_until_answered(net, "a", "b", within=1.0, every=0.01) < 0.9
    assert ping_until_answered(net, "b", "a", within=0.1, every=0.01) < 0.05


def test_a_dead_peer_that_is_removed_is_not_found_again() -> None:
    net = ready_pair()
    link = link_of(net, "a", "b")
    net.stop("b")
    net.run(10.0)
    assert link.state is LinkState.DOWN
    a = net.hosts["a"].node
    a.remove_peer(url_of("b"), now=net.now)
    net.restart("b")
    net.run(60.0)
    assert not a.links


def ping_under_way(net: NodeNet, seconds: float) -> None:
    end = net.now + seconds
    while net.now < end:
        net.run(0.01)
        ping(net, "a", "b")


@pytest.mark.parametrize("slept_s", [3.0, 40.0, 600.0])
@pytest.mark.parametrize("sleeper", ["a", "b"], ids=["dialling", "dialled"])
def test_a_host_that_slept_is_back_as_soon_as_it_wakes(sleeper: str, slept_s: float) -> None:
    net = ready_pair(0.01)
    net.run(5.0)
    net.starve(sleeper, slept_s)
    net.drop = lambda source, destination, data: sleeper in (source, destination)  # its interface sleeps too
    net.run(slept_s - 0.001)
    net.drop = lambda source, destination, data: False
    net.run(0.002)
    net.hosts[sleeper].node.resumed(now=net.now)
    net.drain(sleeper)
    woken_at = net.now
    net.run(0.1)
    assert is_up(net, "a", "b")
    assert reaches(net, "a", "b")
    assert reaches(net, "b", "a")
    assert ping_until_answered(net, "a", "b", within=0.1) < 0.1
    net.run(woken_at + 20 - net.now)
    assert is_up(net, "a", "b")
