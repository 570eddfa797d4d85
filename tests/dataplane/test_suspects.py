"""Which neighbours are distrusted: those of a liar distrust it, and nobody else is, whoever falls silent."""

from typing import Any

from mycelium.dataplane.suspects import TRIAL_EVERY_S, TRIED_NEAREST, Distrusted, Suspects
from mycelium.limits import LINKS
from mycelium.node.event_kind import EventKind
from mycelium.routing.neighbour import DAMPED_COST
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
    """Sessions and sending that get nothing through; the forwarding table of one neighbour."""

    def __init__(self) -> None:
        self.next_hop = dict.fromkeys([*BEYOND, b"n"], b"n")

    def find(self, peer: bytes, *, now: float) -> Any: ...

    def request(self, session: Any, *, now: float) -> None: ...

    def send_item(self, *_: Any, **__: Any) -> bool:
        return False


def suspects() -> tuple[Any, FakeRoutes, list[bytes], list[Any]]:
    links, routes, asked, news = FakeLinks(), FakeRoutes(), list[bytes](), list[Any]()

    def ask(node: bytes, neighbour: bytes, *, now: float) -> None:
        asked.append(node)

    doubles: Any = links
    made = Suspects(
        sessions=doubles, sending=doubles, forwarding=doubles, routes=routes, entropy=bytes, ask=ask, news=news
    )
    return made, routes, asked, news


def test_the_nearest_and_some_others_are_probed_and_distrust_needs_all_of_them_silent() -> None:
    made, routes, asked, news = suspects()
    made.suspect(b"n", BEYOND[5], now=1.0)
    assert asked[:TRIED_NEAREST] == BEYOND[: -TRIED_NEAREST - 1 : -1]
    assert asked[TRIED_NEAREST:] == BEYOND[:2], "the dice, which are all zeros here, choose"
    made.suspect(b"n", BEYOND[6], now=2.0)
    assert len(asked) == 5, "not again so soon"
    for node in asked[:-1]:
        made.note(node, b"n", answers=False)
    made.look(now=3.0)
    assert not routes.distrusted[b"n"]
    made.note(asked[-1], b"n", answers=False)
    made.look(now=4.0)
    assert routes.distrusted[b"n"]
    assert news == [Distrusted(b"n", 5)]
    assert made.tries(asked[0], b"n")


def test_one_that_answers_clears_the_neighbour_which_is_tried_again_later() -> None:
    made, routes, asked, news = suspects()
    made.suspect(b"n", BEYOND[5], now=1.0)
    for number, node in enumerate(asked):
        made.note(node, b"n", answers=not number)
    made.look(now=2.0)
    assert (routes.distrusted, news) == ({b"n": False}, [])
    made.suspect(b"n", BEYOND[5], now=2.0 + TRIAL_EVERY_S)
    assert len(asked) == 10


def test_hints_and_trials_have_their_bounds() -> None:
    made, _, _, _ = suspects()
    for number in range(LINKS + 5):
        made.suspect(b"x%15d" % number, BEYOND[0], now=1.0)
    assert len(made._trials) == LINKS
    assert made.has_hints
    made.look(now=10.0)
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
