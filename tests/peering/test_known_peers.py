"""What is learned of other nodes: shares of teachers and networks, what is forgotten, what is kept."""

import pytest

from mycelium.limits import KNOWN_PEERS, KNOWN_PEERS_KEPT, KNOWN_PER_KEY, KNOWN_PER_NETWORK, KNOWN_PER_TEACHER
from mycelium.peering.known_peers import FIRST_RETRY_S, FORGET_S, RETRY_FACTOR, KnownPeers, may_be_told
from mycelium.wire.known_peer import KnownPeer
from mycelium.wire.underlay_address import UnderlayAddress

OWN = bytes(32)
TEACHER, OTHER = b"teacher", b"other"


def peer(number: int, host: str | None = None, *, key: int | None = None, port: int = 9651) -> KnownPeer:
    address = UnderlayAddress(host or f"5.{number >> 8}.{number & 255}.1", port)
    return KnownPeer("udp", address, (number + 1 if key is None else key).to_bytes(32, "big"))


def taught(count: int, teacher: bytes = TEACHER, *, start: int = 0) -> KnownPeers:
    known = KnownPeers(OWN)
    known.learn([peer(number) for number in range(start, start + count)], teacher, now=0.0)
    return known


def test_what_is_learned_can_be_dialled_except_whom_there_is_a_link_with() -> None:
    known = taught(2)
    assert [one.peer for one in known.candidates((), now=0.0)] == [peer(0), peer(1)]
    assert [one.peer for one in known.candidates((peer(0).key,), now=0.0)] == [peer(1)]


@pytest.mark.parametrize(
    "unfit",
    [
        peer(0, key=0),  # this node itself
        peer(0, port=0),
        peer(0, "400::1"),
        peer(0, "ff02::1"),
        peer(0, "0.0.0.0"),
        peer(0, "255.255.255.255"),
        peer(0, "127.0.0.1"),
        peer(0, "fe80::1"),
        peer(0, "169.254.1.1"),
    ],
    ids=str,
)
def test_what_can_be_no_peer_is_counted_and_dropped(unfit: KnownPeer) -> None:
    known = KnownPeers(OWN)
    known.learn([unfit], TEACHER, now=0.0)
    assert not known.by_peer
    assert known.counters.peers_not_learned == 1


def test_a_teacher_has_a_share_in_which_newer_addresses_replace_those_not_proved() -> None:
    known = taught(KNOWN_PER_TEACHER)
    known.learn([peer(900)], OTHER, now=0.0)
    known.proved(peer(0), now=1.0)
    known.learn([peer(500)], TEACHER, now=2.0)
    assert len(known.by_peer) == KNOWN_PER_TEACHER + 1
    assert peer(0) in known.by_peer
    assert peer(1) not in known.by_peer
    assert {peer(500), peer(900)} <= known.by_peer.keys()


def test_a_full_table_takes_from_the_teacher_with_the_most() -> None:
    known = KnownPeers(OWN)
    for number in range(KNOWN_PEERS // KNOWN_PER_TEACHER):
        start = number * KNOWN_PER_TEACHER
        known.learn([peer(start + one) for one in range(KNOWN_PER_TEACHER)], bytes((number,)), now=0.0)
    known.learn([peer(5_000)], OTHER, now=1.0)
    assert len(known.by_peer) == KNOWN_PEERS
    assert peer(5_000) in known.by_peer


def test_what_is_proved_gives_way_to_nothing() -> None:
    known = taught(KNOWN_PER_TEACHER)
    for number in range(KNOWN_PER_TEACHER):
        known.proved(peer(number), now=1.0)
    known.learn([peer(500)], TEACHER, now=2.0)
    assert peer(500) not in known.by_peer
    assert known.counters.peers_not_learned == 1


@pytest.mark.parametrize(
    ("hosts", "widths"),
    [("5.5.5.5", 1), ("5.5.5.{}", 2), ("2a00::{}", 1), ("2a00:0:0:{}::1", 2), ("2a00:0:0:{}00::1", 4)],
)
def test_one_network_has_a_share_and_a_wider_one_twice_as_much(hosts: str, widths: int) -> None:
    known = KnownPeers(OWN)
    known.learn([peer(number, hosts.format(number)) for number in range(1, 30)], TEACHER, now=0.0)
    assert len(known.by_peer) == widths * KNOWN_PER_NETWORK


def test_one_node_has_a_share() -> None:
    known = KnownPeers(OWN)
    known.learn([peer(number, key=7) for number in range(50)], TEACHER, now=0.0)
    assert len(known.by_peer) == KNOWN_PER_KEY


def test_who_does_not_answer_is_dialled_ever_more_rarely_until_it_does() -> None:
    known = taught(1)
    [one] = known.candidates((), now=0.0)
    one.failed(now=0.0)
    assert not known.candidates((), now=FIRST_RETRY_S - 1)
    assert known.candidates((), now=FIRST_RETRY_S)
    known.failed(peer(0), now=FIRST_RETRY_S)
    known.failed(peer(7), now=FIRST_RETRY_S)
    assert not known.candidates((), now=FIRST_RETRY_S * RETRY_FACTOR)
    known.proved(peer(0), now=100.0)
    known.failed(peer(0), now=200.0)
    assert known.candidates((), now=200.0 + FIRST_RETRY_S)


def test_what_nobody_tells_of_any_more_is_forgotten() -> None:
    known = taught(2)
    known.learn([peer(0)], OTHER, now=FORGET_S)
    known.sweep(now=FORGET_S + 1)
    assert list(known.by_peer) == [peer(0)]


def test_what_is_proved_and_heard_last_is_worth_keeping_first() -> None:
    known = taught(KNOWN_PER_TEACHER)
    known.learn([peer(900)], OTHER, now=5.0)
    known.proved(peer(3), now=1.0)
    before = known.changes
    known.proved(peer(3), now=2.0)
    assert known.changes == before
    kept = known.worth_keeping()
    assert kept[:2] == [peer(3), peer(900)]
    assert len(kept) == KNOWN_PEERS_KEPT


def test_what_was_proved_of_an_unknown_address_is_ignored() -> None:
    known = taught(1)
    known.proved(peer(7), now=0.0)
    assert list(known.by_peer) == [peer(0)]


@pytest.mark.parametrize(
    ("host", "listener", "is_told"),
    [
        ("5.5.5.5", "6.6.6.6", True),
        ("5.5.5.5", "10.0.0.1", True),
        ("10.0.0.2", "10.0.0.1", True),
        ("fd00::2", "192.168.0.1", True),
        ("10.0.0.2", "6.6.6.6", False),
        ("fd00::2", "2a00::1", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("fe80::1", "fe80::2", False),
    ],
)
def test_private_addresses_are_not_told_to_the_world(host: str, listener: str, is_told: bool) -> None:
    assert may_be_told(host, listener) is is_told
