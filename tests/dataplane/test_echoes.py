"""Echoes across relays: who answers, after what time, what relays say of those that go no further, and what is bounded."""

import pytest

from mycelium.daemon.probing import HOPS_TRIED, TRACE_ROUNDS
from mycelium.limits import ECHOES_AT_ONCE, ECHOES_PER_SECOND, ECHOES_UNDER_WAY
from mycelium.node.event_kind import EventKind
from mycelium.outbox import EchoAnswered
from mycelium.routing.excess import ECHOES
from mycelium.wire.echo import TOKEN_BYTES, Echo, EchoKind, encode_echo
from mycelium.wire.train import ERROR_HOP_LIMIT, ERROR_NO_ROUTE, ITEM_ECHO, ITEM_HEADER
from sim.net.node_net import NodeNet
from tests.dataplane.support import ready, send_items
from tests.support.small_meshes import counter, ping, ready_line, received


def ask(net: NodeNet, source: str, destination: str, hop_limit: int = 64) -> bytes:
    node = net.hosts[source].node
    token = node.echoes.ask(net.hosts[destination].address, hop_limit=hop_limit, now=net.now)
    net.drain(source)
    return token


def answers(net: NodeNet, name: str, seconds: float = 1.0) -> list[EchoAnswered]:
    net.run(seconds)
    return net.hosts[name].echoes


def test_a_far_node_answers_after_the_round_trip_with_the_links_that_it_took() -> None:
    net = ready("abcd")
    token = ask(net, "a", "d")
    [answer] = answers(net, "a")
    assert (answer.token, answer.by, answer.hops, answer.error) == (token, net.hosts["d"].address, 3, None)
    assert answer.rtt_s == pytest.approx(0.030, abs=0.002)
    assert counter(net, "d", "echoes_answered") == 1
    assert received(net, "d") == [], "nothing reaches its TUN device"


def test_the_first_echo_waits_for_a_session_and_does_not_count_that() -> None:
    net = ready_line("abc")
    assert net.hosts["c"].address not in net.hosts["a"].node.sessions.by_peer
    ask(net, "a", "c")
    ask(net, "a", "c")
    found = answers(net, "a")
    assert [answer.by for answer in found] == [net.hosts["c"].address] * 2
    assert all(answer.rtt_s == pytest.approx(0.020, abs=0.003) for answer in found)


def test_a_node_without_a_tun_device_answers() -> None:
    net = ready("abc")
    net.hosts["c"].node.receiving.has_device = False
    ask(net, "a", "c")
    assert [answer.error for answer in answers(net, "a")] == [None]


def test_requests_with_few_hops_find_the_way() -> None:
    net = ready("abcd")
    tokens = [ask(net, "a", "d", hop_limit) for hop_limit in (1, 2, 3)]
    by_token = {answer.token: answer for answer in answers(net, "a")}
    assert [by_token[token].by for token in tokens] == [net.hosts[name].address for name in "bcd"]
    assert [by_token[token].error for token in tokens] == [ERROR_HOP_LIMIT, ERROR_HOP_LIMIT, None]
    assert [by_token[token].rtt_s for token in tokens] == pytest.approx([0.010, 0.020, 0.030], abs=0.002)
    assert net.hosts["a"].delivered == [], "no application is told of them"


def test_a_relay_is_believed_however_many_trains_have_left_since() -> None:
    net = ready("abc")
    token = ask(net, "a", "c", 1)
    for _ in range(100):
        ping(net, "a", "c")
    assert token in [answer.token for answer in answers(net, "a")]


def test_a_relay_without_a_route_says_so() -> None:
    net = ready("abcd")
    net.cut("c", "d")
    net.run(0.5)
    node, there = net.hosts["a"].node, net.hosts["d"].address
    for name in "bc":
        net.hosts[name].node.routing.forwarding.next_hop.pop(there, None)
    node.routing.forwarding.next_hop[there] = net.hosts["b"].address
    ask(net, "a", "d")
    assert [(answer.by, answer.error) for answer in answers(net, "a")] == [(net.hosts["b"].address, ERROR_NO_ROUTE)]


def test_one_node_is_answered_only_so_often() -> None:
    net = ready("abc")
    for _ in range(3 * ECHOES_AT_ONCE):
        ask(net, "a", "c")
    assert len(answers(net, "a", 0.1)) == ECHOES_AT_ONCE
    assert counter(net, "c", "echoes_refused") == 2 * ECHOES_AT_ONCE
    assert [event.cause for event in net.hosts["c"].node.journal.after(0) if event.node == net.hosts["a"].address][
        -1:
    ] == [ECHOES]
    net.run(1.0)
    for _ in range(2 * ECHOES_PER_SECOND):
        ask(net, "a", "c")
    assert len(answers(net, "a", 0.1)) == pytest.approx(ECHOES_AT_ONCE + ECHOES_PER_SECOND, abs=3), (
        "it is answered again"
    )


def test_a_trace_whose_first_echo_was_lost_names_nobody() -> None:
    net = ready("abc")
    for _ in range(TRACE_ROUNDS):
        for hop_limit in range(1, HOPS_TRIED + 1):
            ask(net, "a", "c", hop_limit)
        net.run(0.1)
    answered = [answer for answer in answers(net, "a") if answer.error is None]
    assert len(answered) == TRACE_ROUNDS * (HOPS_TRIED - 1)
    assert net.hosts["c"].node.routing.excesses.take() == []
    assert not [event for event in net.hosts["c"].node.journal.after(0) if event.kind is EventKind.NEIGHBOUR_EXCESSIVE]


def test_the_oldest_request_gives_way_and_one_that_is_given_up_gets_no_answer() -> None:
    net = ready("abc")
    net.cut("a", "b")
    tokens = [ask(net, "a", "c") for _ in range(ECHOES_UNDER_WAY + 1)]
    echoes = net.hosts["a"].node.echoes
    assert not echoes.forget(tokens[0])
    assert echoes.forget(tokens[1]), "it had been sent"
    assert not echoes.forget(tokens[1])
    fresh = ready("abc")
    token = ask(fresh, "a", "c")
    fresh.hosts["a"].node.echoes.forget(token)
    assert answers(fresh, "a") == []


def test_a_request_that_never_had_a_session_was_not_sent() -> None:
    net = ready_line("abc")
    net.cut("b", "c")
    token = ask(net, "a", "c")
    net.run(0.05)
    assert not net.hosts["a"].node.echoes.forget(token)


@pytest.mark.parametrize("forgery", ["stranger", "token", "short", "kind"])
def test_what_answers_no_request_is_dropped(forgery: str) -> None:
    net = ready("abc")
    net.cut("b", "c")
    token = ask(net, "a", "c")
    node = net.hosts["a"].node
    reply = encode_echo(Echo(EchoKind.REPLY, 2, bytes(TOKEN_BYTES) if forgery == "token" else token))
    if forgery == "short":
        reply = reply[:-1]
    if forgery == "kind":
        reply = b"\x09" + reply[1:]
    peer = net.hosts["b" if forgery == "stranger" else "c"].address
    session = node.sessions.find(peer, now=net.now)
    malformed = counter(net, "a", "trains_malformed")
    node.echoes.take(session, memoryview(reply), hop_limit=60, now=net.now)
    assert node.outbox.events == []
    assert counter(net, "a", "trains_malformed") - malformed == (forgery == "short")


def test_hops_that_a_relay_made_up_stay_within_reason() -> None:
    net = ready("abc")
    content = encode_echo(Echo(EchoKind.REQUEST, 255, b"12345678"))
    send_items(net, ITEM_HEADER.pack(len(content) << 8 | ITEM_ECHO, 0) + content)
    assert counter(net, "c", "echoes_answered") == 1
    content = encode_echo(Echo(EchoKind.REQUEST, 0, b"12345678"))
    send_items(net, ITEM_HEADER.pack(len(content) << 8 | ITEM_ECHO, 0) + content)
    assert counter(net, "c", "echoes_answered") == 2
