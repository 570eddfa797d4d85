"""Surveys of whole nodes: what one sees of the links of all, how soon it follows a cut, and what it costs."""

from itertools import pairwise

from mycelium.peering.traffic import Traffic
from mycelium.survey.surveyor import WAIT_S, WANTED_S, SurveyState
from mycelium.wire.survey import SURVEY_HEAD
from mycelium.wire.train import ITEM_SURVEY
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, is_whole

ANSWERED_S = 2.0  # within which all nodes of a small mesh have answered
SHOWN_S = 1.0  # from a cut in the journals of its ends to its place in the view


def square(tells: str = "abcd") -> NodeNet:
    """Returns a square, a view of which is wanted at a."""
    net = NodeNet()
    for name in "abcd":
        net.add(name, tells_links=name in tells)
    for one, other in pairwise("abcda"):
        net.join(one, other)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    look(net, ANSWERED_S)
    return net


def look(net: NodeNet, seconds: float, name: str = "a") -> None:
    """Runs while somebody looks at the mesh."""
    until = net.now + seconds
    while net.now < until:
        net.hosts[name].node.survey.want(now=net.now)
        net.drain(name)
        net.run(min(0.1, until - net.now))


def view(net: NodeNet, name: str = "a") -> dict[str, str]:
    """Returns the neighbours that each other node tells of, by names."""
    names = {host.address: one for one, host in net.hosts.items()}
    return {
        names[node]: "".join(sorted(names[link.neighbour] for link in one.links))
        for node, one in net.hosts[name].node.survey.nodes.items()
    }


def test_a_node_sees_the_links_of_all_others() -> None:
    net = square()
    assert view(net) == {"b": "ac", "c": "bd", "d": "ac"}
    for one in net.hosts["a"].node.survey.nodes.values():
        assert one.state is SurveyState.TOLD
        for link in one.links:
            assert link.rtt_us is not None
            assert 9_000 < link.rtt_us < 12_000


def test_nodes_that_keep_their_links_to_themselves_are_seen_without() -> None:
    net = square(tells="ac")
    assert view(net) == {"b": "", "c": "bd", "d": ""}
    states = {one.state for node, one in net.hosts["a"].node.survey.nodes.items() if node != net.hosts["c"].address}
    assert states == {SurveyState.REFUSED}


def test_a_cut_between_others_is_seen_within_a_second_of_their_journals() -> None:
    net = square()
    net.cut("b", "c")
    while not (net.hosts["b"].deaths and net.hosts["c"].deaths):
        look(net, 0.1)
    look(net, SHOWN_S)
    assert view(net) == {"b": "a", "c": "d", "d": "ac"}
    net.mend("b", "c")
    look(net, 10)
    assert view(net) == {"b": "ac", "c": "bd", "d": "ac"}


def test_a_node_that_is_gone_is_seen_no_more() -> None:
    net = square()
    net.stop("c")
    look(net, 3)
    assert set(view(net)) == {"b", "d"}
    net.restart("c")
    look(net, 10)
    assert view(net) == {"b": "ac", "c": "bd", "d": "ac"}


def test_a_mesh_at_rest_costs_a_question_of_each_node_every_few_seconds_and_none_that_nobody_looks_at() -> None:
    net = square()
    before = counter(net, "c", "surveys_answered")
    look(net, 60)
    assert 8 <= counter(net, "c", "surveys_answered") - before <= 14
    net.run(WANTED_S + WAIT_S + 1)  # the last question waits at its other end
    before = counter(net, "c", "surveys_answered")
    assert net.hosts["a"].node.survey.nodes == {}
    net.run(60)
    assert counter(net, "c", "surveys_answered") == before


def test_surveys_are_no_traffic_that_calls_for_a_shortcut() -> None:
    net = square()
    far = net.hosts["c"].address
    assert far in net.hosts["a"].node.sessions.by_peer
    for name in "ac":
        traffic = Traffic(net.hosts[name].node.sessions)
        for _ in range(20):
            look(net, 0.5)
            assert traffic.look(now=net.now) == set()


def test_what_is_no_message_is_counted_and_skipped() -> None:
    net = square()
    session = net.hosts["a"].node.sessions.by_peer[net.hosts["c"].address]
    for message in (bytes(SURVEY_HEAD.size), b"\x02".ljust(SURVEY_HEAD.size + 1, b"\0"), b""):
        net.hosts["a"].node.sending.send_item(session, ITEM_SURVEY, message, now=net.now)
        net.drain("a")
    net.run(1)
    assert counter(net, "c", "trains_malformed") == 2
