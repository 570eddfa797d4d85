"""The peer list of a running daemon: what comes and goes, and how names become endpoints."""

import asyncio

import pytest

from mycelium.daemon import peers as peers_module
from mycelium.daemon.peers import Peers
from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.node.node import Node
from mycelium.outbox import ResolvePeer
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from mycelium.peering import configured
from sim.net.node_net import NodeNet

ONE, OTHER, THIRD = (PeerUrl.parse(f"udp://{name}:9651") for name in ("one", "other", "third"))
LIST = PeerListUrl.parse("https://ann:secret@mesh.example/peers")
PIN = bytes(range(32))
REFUSED = {Endpoint("udp", "192.0.2.66", 9651): "the route to 192.0.2.66 leads inside"}


@pytest.fixture
def node() -> Node:
    return NodeNet().add("a").node


@pytest.fixture
def peers(node: Node) -> Peers:
    return Peers(node, lambda action: action(1000.0), REFUSED.get)


def asked(node: Node) -> list[str]:
    """Returns the URLs that the node wants resolved."""
    urls = [event.url for event in node.outbox.events if isinstance(event, ResolvePeer)]
    node.outbox.clear()
    return urls


def test_an_added_peer_is_asked_for_with_its_pin(node: Node, peers: Peers) -> None:
    url = PeerUrl("udp", "one", 9651, PIN)
    peers.add(url)
    assert asked(node) == [str(url)]
    assert node.peers.by_url[str(url)].pin == PIN


def test_a_peer_is_added_once_and_removed_once(node: Node, peers: Peers) -> None:
    peers.add(ONE)
    with pytest.raises(LocalError):
        peers.add(ONE)
    peers.remove(ONE)
    assert not node.peers.by_url
    with pytest.raises(LocalError):
        peers.remove(ONE)


def test_a_new_list_adds_and_removes_what_differs(node: Node, peers: Peers) -> None:
    peers.replace([ONE, OTHER])
    kept = node.peers.by_url[str(OTHER)]
    peers.replace([OTHER, THIRD])
    assert list(node.peers.by_url) == [str(OTHER), str(THIRD)]
    assert node.peers.by_url[str(OTHER)] is kept


def test_what_was_added_by_hand_stays_whatever_the_configuration_says(node: Node, peers: Peers) -> None:
    peers.replace([ONE])
    peers.add(OTHER)
    assert peers.replace([ONE, THIRD]) == ["1 peer added"]
    assert list(node.peers.by_url) == [str(ONE), str(OTHER), str(THIRD)]
    assert peers.replace([ONE, OTHER]) == ["1 peer removed"]  # the configuration has it too by now
    assert peers.replace([]) == ["1 peer removed"]
    assert list(node.peers.by_url) == [str(OTHER)]
    peers.remove(OTHER)
    assert peers.replace([]) == []


def test_what_was_removed_by_hand_stays_away_until_the_configuration_names_it_anew(node: Node, peers: Peers) -> None:
    peers.replace([ONE, OTHER])
    peers.remove(ONE)
    assert peers.replace([ONE, OTHER]) == ["1 peer left out as removed by hand"]
    assert list(node.peers.by_url) == [str(OTHER)]
    assert peers.replace([OTHER]) == []
    assert peers.replace([ONE, OTHER]) == ["1 peer added"]


def test_what_was_removed_by_hand_is_remembered_only_while_the_configuration_or_a_list_has_it(
    node: Node, peers: Peers
) -> None:
    peers.replace_listed(LIST, [ONE, OTHER])
    peers.remove(ONE)
    peers.replace_listed(LIST, [ONE, THIRD])
    assert list(node.peers.by_url) == [str(THIRD)]
    peers.replace_listed(LIST, [THIRD])
    peers.replace_listed(LIST, [ONE, THIRD])
    assert list(node.peers.by_url) == [str(THIRD), str(ONE)]
    peers.remove(ONE)
    peers.replace([ONE])
    peers.replace_listed(LIST, [])
    assert not node.peers.by_url
    peers.replace([])
    assert (peers._removed, peers._listed) == (set(), {})


def test_lists_that_differ_in_their_logins_alone_are_two(node: Node, peers: Peers) -> None:
    peers.replace_listed(LIST, [ONE])
    peers.replace_listed(PeerListUrl.parse("https://bob:secret@mesh.example/peers"), [OTHER])
    assert list(node.peers.by_url) == [str(ONE), str(OTHER)]
    assert peers.list_of(str(ONE)) == "https://***@mesh.example/peers"


def test_what_was_removed_and_added_by_hand_is_there_again(node: Node, peers: Peers) -> None:
    peers.replace([ONE])
    peers.remove(ONE)
    peers.add(ONE)
    assert peers.replace([ONE]) == []
    assert list(node.peers.by_url) == [str(ONE)]


def test_a_peer_that_is_refused_keeps_no_other_one_out(
    node: Node, peers: Peers, caplog: pytest.LogCaptureFixture
) -> None:
    node.peers.add(str(ONE), None, now=1000.0)  # so that it is refused
    assert peers.replace([ONE, OTHER]) == ["1 peer added"]
    assert list(node.peers.by_url) == [str(ONE), str(OTHER)]
    assert caplog.messages == [f"peers: peer {ONE} is in the peer list already"]


def test_a_list_that_is_too_long_is_logged_and_taken_as_far_as_it_fits(
    node: Node, peers: Peers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(configured, "CONFIGURED_PEERS", 2)
    peers.replace([ONE, OTHER, THIRD])
    assert list(node.peers.by_url) == [str(ONE), str(OTHER)]
    assert "the peer list is full" in caplog.text


def test_a_resolved_name_is_dialled(node: Node, peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint("udp", "192.0.2.1", 9651)

    async def resolve(url: PeerUrl) -> list[Endpoint]:
        return [endpoint]

    monkeypatch.setattr(peers_module, "resolve", resolve)
    peers.add(ONE)
    asyncio.run(peers.resolve(str(ONE)))
    assert endpoint in node.dialler.remotes()


def test_a_name_is_looked_up_once_at_a_time_and_for_a_listed_peer_only(
    peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    async def resolve(url: PeerUrl) -> list[Endpoint]:
        looked_up.append(url.host)
        await asyncio.sleep(0)
        return []

    async def resolve_all() -> None:
        await asyncio.gather(*(peers.resolve(str(url)) for url in (ONE, ONE, OTHER, THIRD)))
        await peers.resolve(str(ONE))

    monkeypatch.setattr(peers_module, "resolve", resolve)
    peers.replace([ONE, OTHER])
    asyncio.run(resolve_all())
    assert looked_up == ["one", "other", "one"]


def test_a_peer_that_is_removed_while_its_name_is_looked_up_is_not_dialled(
    node: Node, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint("udp", "192.0.2.1", 9651)

    async def resolve(url: PeerUrl) -> list[Endpoint]:
        peers.remove(url)
        return [endpoint]

    monkeypatch.setattr(peers_module, "resolve", resolve)
    peers.add(ONE)
    asyncio.run(peers.resolve(str(ONE)))
    assert endpoint not in node.dialler.remotes()


def failures(node: Node) -> list[str | None]:
    return [entry.cause for entry in node.journal.after(0)]


def test_an_endpoint_that_may_not_be_used_is_not_dialled_and_the_reason_is_told(
    node: Node, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    [refused], fine = REFUSED, Endpoint("udp", "192.0.2.1", 9651)
    found = {ONE: [refused], OTHER: [refused, fine]}

    async def resolve(url: PeerUrl) -> list[Endpoint]:
        return found[url]

    monkeypatch.setattr(peers_module, "resolve", resolve)
    for url in found:
        peers.add(url)
        asyncio.run(peers.resolve(str(url)))
    assert node.dialler.remotes() == {fine}
    assert failures(node) == [REFUSED[refused]]


def test_a_look_up_that_hangs_is_told_and_holds_up_no_other(
    node: Node, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = Endpoint("udp", "192.0.2.1", 9651)
    answers = asyncio.Event()

    async def resolve(url: PeerUrl) -> list[Endpoint]:
        if url is ONE:
            await answers.wait()
        return [endpoint]

    async def resolve_both() -> None:
        hanging = asyncio.ensure_future(peers.resolve(str(ONE)))
        await peers.resolve(str(OTHER))
        assert endpoint in node.dialler.remotes()
        while not failures(node):  # noqa: ASYNC110 - the journal has no event
            await asyncio.sleep(0)
        assert failures(node) == ["no name server has answered for 0 s"]
        node.dialler.forget_entry(str(OTHER), now=1000.0)
        assert endpoint not in node.dialler.remotes()
        answers.set()
        await hanging
        assert endpoint in node.dialler.remotes()

    monkeypatch.setattr(peers_module, "resolve", resolve)
    monkeypatch.setattr(peers_module, "SLOW_S", 0.001)
    peers.replace([ONE, OTHER])
    asyncio.run(resolve_both())


def test_look_ups_under_way_are_bounded(node: Node, peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(url: PeerUrl) -> list[Endpoint]:
        await peers.resolve(str(OTHER))
        return []

    monkeypatch.setattr(peers_module, "resolve", resolve)
    monkeypatch.setattr(peers_module, "LOOK_UPS", 1)
    peers.replace([ONE, OTHER])
    asyncio.run(peers.resolve(str(ONE)))
    assert failures(node)[0] == "the name can't be looked up: too many look-ups are under way"
