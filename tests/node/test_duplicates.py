"""Two hosts with one key in a mesh of six: they and their neighbours are told, one keeps the address, nobody else notices."""

import random
from functools import partial
from itertools import pairwise
from math import inf
from typing import cast

import pytest

from mycelium.limits import NEIGHBOURS
from mycelium.link.link import LinkState
from mycelium.node.duplicates import (
    FIRST_WAIT_S,
    FORGOTTEN_S,
    NEIGHBOUR_QUIET_S,
    TRIAL_S,
    WAIT_CEILING_S,
    Duplicates,
    Reaction,
)
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Entry, Journal
from mycelium.node.node import HOUSEKEEPING_S
from mycelium.routing.duplicate import Claim
from mycelium.routing.engine import RoutingEngine
from mycelium.wire.announcement import KEY_SHARED, LANDMARK, Announcement
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_whole, line, ping, ping_until_answered, received

BYSTANDERS = "abcdef"
KEY = 777
UNKNOWN, ALONE, SHARING = bytes(16), b"a" * 16, b"s" * 16  # neighbours
# The hosts hear of each other at once, react at the next sweep, and one closes its links at the sweep after that.
SETTLED_S = 2 * HOUSEKEEPING_S + 0.5

TOLD = {EventKind.KEY_SHARED, EventKind.KEY_ALONE, EventKind.NEIGHBOUR_KEY_SHARED}


def mesh(*, epoch: int = 10, seed: int = 0) -> NodeNet:
    """Returns a ring of six with a chord, and x at two of them."""
    net = NodeNet(seed)
    for name in BYSTANDERS:
        net.add(name)
    for one, other in (*pairwise("abcdefa"), "ad"):
        net.join(one, other)
    net.add("x", seed=KEY, epoch=epoch)
    for name in "ab":
        net.join("x", name)
    net.run(15, until=lambda: is_whole(net))
    net.run(20)
    return net


def clone(net: NodeNet, neighbours: str, *, epoch: int = 20, dials: bool = True) -> None:
    """Starts another host with the key of x, which dials its neighbours, or is dialled."""
    net.add("y", seed=KEY, epoch=epoch)
    for name in neighbours:
        net.join(*("y", name) if dials else (name, "y"))


def pause(net: NodeNet, rng: random.Random) -> None:
    """Suspends one host after another for a fifth of a second, from now on."""
    net.starve(rng.choice(sorted(net.hosts)), 0.2)
    net.at(net.now + rng.uniform(0.25, 0.4), partial(pause, net, rng))


def told(net: NodeNet, name: str) -> list[Entry]:
    """Returns what a node's operator was told of keys with two hosts."""
    return [entry for entry in net.hosts[name].node.journal.after(0) if entry.kind in TOLD]


def kinds(net: NodeNet, name: str) -> list[EventKind]:
    return [entry.kind for entry in told(net, name)]


def has_links(net: NodeNet, name: str) -> bool:
    return any(link.state is not LinkState.DOWN for link in net.hosts[name].node.links.values())


def run_with_bystanders(net: NodeNet, seconds: float) -> None:
    """Lets time pass while bystanders talk; all that they say must arrive."""
    sent = []
    until = net.now + seconds
    while net.now < until:
        sent += [(other, ping(net, one, other)) for one, other in ("cf", "fc", "ad", "be", "ab", "ea")]
        net.run(0.05)
    net.run(1.0)
    got = {name: set(received(net, name)) for name in BYSTANDERS}
    assert [data for name, data in sent if data not in got[name]] == []


@pytest.mark.parametrize("epochs", [(10, 11), (10, 10), (20, 10)], ids=str)
@pytest.mark.parametrize(
    ("neighbours", "dials"),
    [("ab", True), ("ab", False), ("de", True), ("bc", False)],
    ids=["same neighbours", "same neighbours, which dial", "others", "one in common, which dial"],
)
def test_one_of_two_hosts_with_one_key_keeps_it_and_bystanders_lose_nothing(
    neighbours: str, dials: bool, epochs: tuple[int, int]
) -> None:
    net = mesh(epoch=epochs[0])
    changes = {name: net.hosts[name].node.routing.choices for name in BYSTANDERS}
    clone(net, neighbours, epoch=epochs[1], dials=dials)
    run_with_bystanders(net, SETTLED_S)

    assert {has_links(net, "x"), has_links(net, "y")} == {True, False}
    keeper, other = "xy" if has_links(net, "x") else "yx"
    if epochs[0] != epochs[1]:
        assert keeper == ("y" if epochs[1] > epochs[0] else "x")
    for name, claim, words in ((keeper, Claim.KEEPS, "keeps the address"), (other, Claim.YIELDS, "closed its links")):
        [entry] = told(net, name)
        assert entry.kind is EventKind.KEY_SHARED
        assert entry.cause is not None
        assert words in entry.cause
        assert net.hosts[name].node.routing.claim is claim
    address = net.hosts["x"].address
    for name in BYSTANDERS:
        had_link = name in {*"ab", *neighbours}
        assert kinds(net, name) == [EventKind.NEIGHBOUR_KEY_SHARED] * had_link
        assert {entry.node for entry in told(net, name)} <= {address}
        assert net.hosts[name].node.routing.choices - changes[name] < 150
    for name in BYSTANDERS:
        ping_until_answered(net, name, keeper, within=2)
    before = len(received(net, other))
    for _ in range(20):
        for name in BYSTANDERS:
            deliver(net, name, keeper, within=1)
    assert len(received(net, other)) == before


@pytest.mark.parametrize("epochs", [(10, 11), (10, 10), (20, 10)], ids=str)
@pytest.mark.parametrize("dials", [True, False])
@pytest.mark.parametrize("place", ["a", "b"], ids=["a common neighbour", "none"])
def test_two_hosts_settle_soon_whatever_the_dice_say(place: str, dials: bool, epochs: tuple[int, int]) -> None:
    for seed in range(8):
        net = NodeNet(seed)
        line(net, "ab")
        net.add("x", seed=KEY, epoch=epochs[0])
        net.join("x", "a")
        net.run(5, until=partial(is_whole, net))
        net.run(seed / 8)
        clone(net, place, epoch=epochs[1], dials=dials)
        net.run(SETTLED_S)
        assert {has_links(net, "x"), has_links(net, "y")} == {True, False}, f"seed {seed}"


@pytest.mark.parametrize("dials", [True, False])
def test_hosts_that_have_no_turn_for_a_while_miss_no_clone_nor_take_it_for_a_restart(dials: bool) -> None:
    for seed in range(6):
        net, rng = NodeNet(seed), random.Random(seed)
        line(net, "fabe")
        net.add("x", seed=KEY, epoch=10)
        for name in "ab":
            net.join("x", name)
        net.run(15, until=partial(is_whole, net))
        pause(net, rng)
        net.run(rng.uniform(1.0, 6.0))
        since = net.now
        clone(net, "ab", epoch=11, dials=dials)
        net.run(10.0)
        assert (has_links(net, "x"), has_links(net, "y")) == (False, True), f"seed {seed}"
        for name in "ab":
            lately = [entry.kind for entry in net.hosts[name].node.journal.after(0) if entry.at >= since]
            assert lately.count(EventKind.NEIGHBOUR_KEY_SHARED) == 1, f"seed {seed}"
            assert EventKind.LINK_RESTARTED not in lately, f"seed {seed}"


@pytest.mark.parametrize("epochs", [(10, 11), (10, 10), (20, 10)], ids=str)
@pytest.mark.parametrize("dials", [True, False])
def test_packets_over_a_relay_with_two_hosts_are_not_lost(dials: bool, epochs: tuple[int, int]) -> None:
    net = NodeNet()
    for name in "pq":
        net.add(name)
    net.add("x", seed=KEY, epoch=epochs[0])
    for name in "pq":
        net.join("x", name)
    net.run(5, until=lambda: is_whole(net))
    deliver(net, "p", "q")
    clone(net, "pq", epoch=epochs[1], dials=dials)
    sent = []
    for _ in range(round(SETTLED_S / 0.005)):
        sent += [(other, ping(net, one, other)) for one, other in ("pq", "qp")]
        net.run(0.005)
    net.run(0.1)
    assert {has_links(net, "x"), has_links(net, "y")} == {True, False}
    got = {name: set(received(net, name)) for name in "pq"}
    assert [data for name, data in sent if data not in got[name]] == []


def test_who_stands_back_returns_when_the_other_host_leaves() -> None:
    net = mesh()
    clone(net, "ab")
    net.run(SETTLED_S)
    assert not has_links(net, "x")
    net.close("y")
    net.run(1.3 * FIRST_WAIT_S, until=lambda: is_whole(net))
    net.run(TRIAL_S + 2)
    assert kinds(net, "x") == [EventKind.KEY_SHARED, EventKind.KEY_ALONE]
    for name in BYSTANDERS:
        ping_until_answered(net, name, "x", within=1)
    assert net.hosts["x"].node.neighbours.duplicates.describe() is None


def test_new_attempts_of_the_other_host_cost_little_and_are_told_once() -> None:
    net = mesh()
    clone(net, "ab")
    net.run(SETTLED_S)
    sent, taken = 0, len(received(net, "y"))
    for _ in range(240):
        ping(net, "c", "y")
        sent += 1
        net.run(1.0)
    assert len(received(net, "y")) - taken >= sent - 8  # of two attempts
    assert not has_links(net, "x")
    assert kinds(net, "x") == kinds(net, "y") == [EventKind.KEY_SHARED]


def test_a_host_that_is_restarted_takes_over() -> None:
    net = mesh()
    clone(net, "de")
    net.run(SETTLED_S)
    net.restart("x", epoch=30)
    net.run(SETTLED_S)
    assert has_links(net, "x")
    assert not has_links(net, "y")
    for name in BYSTANDERS:
        ping_until_answered(net, name, "x", within=2)


# -- what one node makes of it ---------------------------------------------------------------------------------------------


class Found:
    """What routing has found."""

    def __init__(self) -> None:
        self.claim: Claim | None = None
        self.duplicate_heard_at = 0.0
        self.shared: set[bytes] = set()
        self.retired_at = -inf

    def retire(self, *, now: float) -> None:
        self.retired_at = now

    def resolve(self, node: bytes) -> Announcement | None:
        flags = KEY_SHARED if node in self.shared else LANDMARK
        return None if node == UNKNOWN else Announcement(node * 2, 1, bytes(8), flags=flags)

    def forget_duplicate(self, *, now: float) -> None:
        self.claim = None


def duplicates() -> tuple[Duplicates, Found, Journal]:
    found, journal = Found(), Journal(now=0.0)
    return Duplicates(cast("RoutingEngine", found), journal, random.Random(1)), found, journal


def words(journal: Journal) -> list[EventKind]:
    return [entry.kind for entry in journal.after(0)]


def test_attempts_become_rarer_up_to_half_an_hour() -> None:
    one, found, journal = duplicates()
    now, waits = 0.0, []
    for _ in range(12):
        found.claim = Claim.YIELDS
        assert one.react((), now=now - 1) is Reaction.NOTHING
        assert found.retired_at == now - 1, "neighbours take other routes at first"
        assert one.react((), now=now) is Reaction.STAND_BACK
        assert one.stands_back
        assert one.react((), now=one.returns_at - 0.1) is Reaction.NOTHING
        waits.append(one.returns_at - now)
        now = one.returns_at
        assert one.react((), now=now) is Reaction.RETURN
        assert found.claim is None
    assert waits[0] == pytest.approx(FIRST_WAIT_S, rel=0.2)
    assert waits[-1] == pytest.approx(WAIT_CEILING_S, rel=0.2)
    assert words(journal) == [EventKind.KEY_SHARED]
    assert one.react((), now=now + TRIAL_S + 1) is Reaction.NOTHING
    assert words(journal) == [EventKind.KEY_SHARED, EventKind.KEY_ALONE]
    found.claim = Claim.YIELDS
    one.react((), now=now + 99)
    one.react((), now=now + 100)
    assert one.returns_at - now - 100 == pytest.approx(FIRST_WAIT_S, rel=0.2)


def test_who_has_retired_stands_back_whatever_it_hears_then() -> None:
    one, found, _ = duplicates()
    found.claim = Claim.YIELDS
    one.react((), now=1.0)
    found.claim = Claim.KEEPS
    assert one.react((), now=2.0) is Reaction.STAND_BACK


def test_who_keeps_the_address_is_told_once_and_when_the_other_host_is_gone() -> None:
    one, found, journal = duplicates()
    found.claim = Claim.KEEPS
    for now in (1.0, 2.0, 1_000.0, FORGOTTEN_S - 1):
        assert one.react((), now=now) is Reaction.NOTHING
    assert words(journal) == [EventKind.KEY_SHARED]
    assert "keeps the address" in (one.describe() or "")
    one.react((), now=FORGOTTEN_S + 1)
    assert words(journal) == [EventKind.KEY_SHARED, EventKind.KEY_ALONE]
    assert one.describe() is None


def test_a_neighbour_with_two_hosts_is_told_of_once_until_an_hour_without_a_sign() -> None:
    one, found, journal = duplicates()
    neighbours = [UNKNOWN, ALONE, SHARING]
    for now in (0.0, 10.0, 3_000.0, 6_000.0):
        found.shared = {SHARING}
        one.react(neighbours, now=now)
        found.shared = set()
        one.react(neighbours, now=now + 1.0)
    assert [entry.node for entry in journal.after(0)] == [SHARING]
    found.shared = {SHARING}
    one.react(neighbours, now=6_001.0 + NEIGHBOUR_QUIET_S)
    assert words(journal) == [EventKind.NEIGHBOUR_KEY_SHARED] * 2
    assert [one.describe_neighbour(neighbour) is not None for neighbour in neighbours] == [False, False, True]


def test_another_process_of_a_neighbour_is_a_restart_unless_it_says_that_two_hosts_run() -> None:
    one, found, journal = duplicates()
    found.shared = {SHARING}
    for neighbour in (UNKNOWN, ALONE, SHARING):
        one.replaced(neighbour, now=1.0)
    assert [(entry.kind, entry.node) for entry in journal.after(0)] == [
        (EventKind.LINK_RESTARTED, UNKNOWN),
        (EventKind.LINK_RESTARTED, ALONE),
    ]


def test_neighbours_with_two_hosts_are_remembered_up_to_a_bound() -> None:
    one, found, _ = duplicates()
    neighbours = [number.to_bytes(16, "big") for number in range(2 * NEIGHBOURS)]
    found.shared = set(neighbours)
    one.react(neighbours, now=7_000.0)
    assert len(one.neighbours) == NEIGHBOURS


# -- what is no other host -------------------------------------------------------------------------------------------------


def assert_alone(net: NodeNet) -> None:
    assert is_whole(net)
    assert [told(net, name) for name in (*BYSTANDERS, "x")] == [[]] * 7
    assert net.hosts["x"].node.routing.claim is None


@pytest.mark.parametrize("epochs", [(9, 8, 7), (11, 12, 13), (500, 50, 5)], ids=["set back", "next", "jumped"])
@pytest.mark.parametrize("says_goodbye", [True, False])
def test_a_restart_is_none_whatever_the_clock_says(epochs: tuple[int, ...], says_goodbye: bool) -> None:
    net = mesh()
    for epoch in epochs:
        net.stop("x", says_goodbye=says_goodbye)
        net.restart("x", epoch=epoch)
        net.run(15)
    assert_alone(net)


def test_a_restart_between_the_halves_of_a_parted_mesh_is_none() -> None:
    net = mesh()
    for one, other in ("fa", "cd", "ad"):
        net.cut(one, other)
    for epoch in (40, 60, 3):
        net.restart("x", epoch=epoch)
        net.run(20)
    for one, other in ("fa", "cd", "ad"):
        net.mend(one, other)
    net.run(40, until=lambda: is_whole(net))
    net.run(30)
    assert_alone(net)


def test_a_host_that_roams_is_none() -> None:
    net = mesh()
    for number in range(10):
        net.move("x", f"x{number}")
        net.run(7)
    net.run(20)
    assert_alone(net)


def test_recordings_of_old_announcements_are_none() -> None:
    net = mesh()
    recorded = [net.hosts["x"].node.routing.resolve(net.hosts["x"].address)]
    for epoch in (11, 12, 13):
        net.restart("x", epoch=epoch)
        net.run(5)
        recorded.append(net.hosts["x"].node.routing.resolve(net.hosts["x"].address))
    net.restart("x", epoch=1)  # all of them are newer
    engine = net.hosts["x"].node.routing
    for announcement in recorded:
        assert announcement is not None
        for _ in range(3):
            engine._origin.want_past(announcement.sequence, now=net.now)
            net.run(11)
    net.run(20)
    assert_alone(net)
