"""Which neighbours are distrusted: those of a liar distrust it, and nobody else is, whoever falls silent."""

from typing import Any

import pytest

from mycelium.dataplane.suspects import HINT_S, TRIAL_EVERY_S, TRIED_NEAREST, Distrusted, Suspects
from mycelium.node.event_kind import EventKind
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.wire.reachability import TOKEN_BYTES, ProbeKind, Reach, decode_reach
from sim.net.lying_node import corrupt
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_whole, ping

BEYOND = [b"b%15d" % number for number in range(40)]


class FakeRoutes:
    def __init__(self) -> None:
        self.distrusted: dict[bytes, bool] = {}

    def avoid(self, node: bytes, neighbour: bytes, avoided: bool, *, now: float) -> None: ...

    def distrust(self, neighbour: bytes, distrusted: bool, *, now: float) -> None:
        self.distrusted[neighbour] = distrusted

    def metric_over(self, neighbour: bytes, node: bytes) -> int:
        return 1_000 - int(node[1:])


class FakeLinks:
    """Sessions and sending that get nothing through at first; the forwarding table of one neighbour."""

    def __init__(self) -> None:
        self.next_hop = dict.fromkeys([*BEYOND, b"n"], b"n")
        self.is_ready = False
        self.sent: list[tuple[bytes, Reach | None]] = []

    def find(self, peer: bytes, *, now: float) -> Any: ...

    def request(self, session: Any, *, now: float) -> None: ...

    def send_item(self, _session: Any, _kind: int, body: bytes, *, over: bytes, now: float) -> bool:
        if self.is_ready:
            self.sent.append((over, decode_reach(memoryview(body))))
        return self.is_ready


def suspects(links: FakeLinks | None = None, *, dice: int = 0) -> tuple[Any, FakeRoutes, list[bytes], list[Any]]:
    routes, asked, news = FakeRoutes(), list[bytes](), list[Any]()

    def ask(node: bytes, neighbour: bytes, *, now: float) -> None:
        asked.append(node)

    doubles: Any = links or FakeLinks()
    made = Suspects(
        sessions=doubles,
        sending=doubles,
        forwarding=doubles,
        routes=routes,
        entropy=lambda count: dice.to_bytes(count, "big") if count else b"",
        ask=ask,
        news=news,
    )
    return made, routes, asked, news


def test_the_nearest_and_some_others_are_probed_and_distrust_needs_all_of_them_silent() -> None:
    made, routes, asked, news = suspects()
    made.suspect(b"n", BEYOND[5], now=1.0)
    assert asked[:TRIED_NEAREST] == BEYOND[: -TRIED_NEAREST - 1 : -1]
    assert asked[TRIED_NEAREST:] == BEYOND[:2], "the dice, which are all zeros here, choose"
    made.suspect(b"n", BEYOND[6], now=2.0)
    assert len(asked) == 5, "not again so soon"
    made.look(now=2.5)
    assert not routes.distrusted[b"n"]
    for node in asked[:4]:
        made.note(node, b"n", answers=False)
    made.look(now=3.0)
    assert not routes.distrusted[b"n"]
    made.note(asked[4], b"n", answers=False)
    made.look(now=4.0)
    assert routes.distrusted[b"n"]
    assert news == [Distrusted(b"n", 5)]
    assert made.tries(asked[0], b"n")


def test_those_of_whom_nothing_becomes_known_are_asked_again() -> None:
    made, _, asked, news = suspects()
    made.suspect(b"n", BEYOND[5], now=1.0)
    chosen = asked.copy()
    for node in chosen[:3]:
        made.note(node, b"n", answers=False)
    made.look(now=2.0)
    assert asked == chosen + chosen[3:]
    for node in chosen[3:]:
        made.note(node, b"n", answers=False)
    made.look(now=3.0)
    assert (asked[7:], news) == ([], [Distrusted(b"n", 5)])


def test_one_that_answers_clears_the_neighbour_which_is_tried_again_later() -> None:
    made, routes, asked, news = suspects()
    made.suspect(b"n", BEYOND[5], now=1.0)
    for number, node in enumerate(asked):
        made.note(node, b"n", answers=not number)
    made.look(now=2.0)
    assert (routes.distrusted, news) == ({b"n": False}, [])
    made.suspect(b"n", BEYOND[5], now=0.9 + TRIAL_EVERY_S)
    assert len(asked) == 5
    made.suspect(b"n", BEYOND[5], now=1.0 + TRIAL_EVERY_S)
    assert len(asked) == 10


def test_the_dice_choose_some_of_those_who_are_probed() -> None:
    made, _, asked, _ = suspects(dice=7)
    made.suspect(b"n", BEYOND[5], now=1.0)
    assert asked[TRIED_NEAREST:] == BEYOND[7:9]
    made, _, asked, _ = suspects(dice=38 + 40 * 5)
    made.suspect(b"n", BEYOND[5], now=1.0)
    assert sorted(asked) == BEYOND[37:], "those two are of the nearest, too"


def test_a_neighbour_is_asked_to_look_for_itself_at_once_or_as_soon_as_there_is_a_session_with_it() -> None:
    links = FakeLinks()
    made, _, _, _ = suspects(links)
    links.is_ready = True
    made.suspect(b"n", BEYOND[5], now=1.0)
    expected = [(b"n", Reach(ProbeKind.LOOK, bytes(TOKEN_BYTES), BEYOND[5]))]
    assert (links.sent, made.has_hints) == (expected, False)
    links.is_ready = False
    made.suspect(b"n", BEYOND[5], now=2.0)
    assert made.has_hints
    links.is_ready = True
    made.look(now=3.0)
    assert (links.sent, made.has_hints) == (expected * 2, False)


def test_a_trial_of_which_nobody_was_silent_is_forgotten() -> None:
    made, _, asked, _ = suspects()
    for neighbour in (b"n", b"x"):
        made.suspect(neighbour, BEYOND[5], now=1.0)
    for number, node in enumerate(asked):
        made.note(node, b"n", answers=number > 0)
    made.look(now=TRIAL_EVERY_S)
    assert list(made._trials) == [b"n", b"x"]
    made.look(now=1.1 + TRIAL_EVERY_S)
    assert list(made._trials) == [b"n"]
    made.note(asked[0], b"n", answers=True)
    made.look(now=1.2 + TRIAL_EVERY_S)
    assert not made.tries(asked[0], b"n")


def test_hints_and_trials_have_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.dataplane.suspects.NEIGHBOURS", 40)
    made, routes, asked, _ = suspects()
    made.suspect(b"n", BEYOND[0], now=1.0)
    for node in asked:
        made.note(node, b"n", answers=False)
    made.look(now=1.0)
    assert routes.distrusted[b"n"]
    for number in range(45):
        made.suspect(b"x%15d" % number, BEYOND[0], now=1.0)
    assert len(made._trials) == 40
    assert not routes.distrusted[b"n"]
    made.look(now=HINT_S)
    assert made.has_hints
    made.look(now=1.0 + HINT_S)
    assert not made.has_hints


def test_a_neighbour_that_is_deceived_by_a_liar_further_on_is_not_distrusted_and_tells_the_liars_own() -> None:
    net = NodeNet()
    for name in "apnlcdef":
        net.add(name)
    for one, other in ("ap", "pn", "nl", "lc", "ld", "le", "nf", "fc", "fd", "fe"):
        net.join(one, other, 0.005 if "f" not in one + other else 0.05)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    corrupt(net.hosts["l"].node, "drop")
    end = net.now + 12
    while net.now < end:
        for name in "cde":
            ping(net, "a", name)
        net.run(0.1)
    avoided = {
        name: [entry.node for entry in host.node.journal.after(0) if entry.kind is EventKind.NEIGHBOUR_AVOIDED]
        for name, host in net.hosts.items()
    }
    liar = net.hosts["l"].address
    assert {name for name, found in avoided.items() if found} == {"n"}
    assert avoided["n"] == [liar]
    assert net.hosts["n"].node.routing.link_costs()[liar] >= DAMPED_COST
