"""Speed tests across relays: what is measured, and what nobody can have a node do."""

import pytest

from mycelium.dataplane import speed_tests as speed_tests_module
from mycelium.dataplane.speed_tests import ASK_AGAIN_S, SILENCE_S, TURN_S, SpeedStage, SpeedTest
from mycelium.errors import LocalError
from mycelium.limits import SPEED_TEST_BYTES, SPEED_TEST_S
from mycelium.node.event_kind import EventKind
from mycelium.routing.excess import SPEED_TESTS
from mycelium.wire.speed import (
    SENDS_LOAD,
    WANTS_LOAD,
    SpeedHead,
    SpeedKind,
    SpeedReason,
    encode_load,
    encode_speed,
)
from mycelium.wire.train import ITEM_HEADER, ITEM_SPEED
from sim.net.node_net import NodeNet
from tests.dataplane.support import ready, send_items
from tests.support.small_meshes import counter, received

RATE = 2_000_000.0  # bytes a second
TOKEN = b"testtest"


def slow(names: str = "abc", rate: float = RATE) -> NodeNet:
    """Returns a line whose last wires carry `rate` bytes a second."""
    net = ready(names)
    for wire in net.both(names[-2], names[-1]):
        wire.reshape(bytes_per_s=rate, queue_bytes=1 << 20)
    return net


def begin(net: NodeNet, source: str = "a", destination: str = "c", seconds: float = 1.0) -> SpeedTest:
    there = net.hosts[destination].address
    test = net.hosts[source].node.speed_tests.begin(there, seconds=seconds, now=net.now)
    net.drain(source)
    return test


def finish(net: NodeNet, test: SpeedTest, within: float = 20.0) -> SpeedTest:
    net.run(within, until=lambda: test.phase is SpeedStage.OVER)
    assert test.phase is SpeedStage.OVER
    return test


def said(net: NodeNet, head: SpeedHead) -> None:
    """Has a tell c something in a train of its own."""
    content = encode_speed(head)
    send_items(net, ITEM_HEADER.pack(len(content) << 8 | ITEM_SPEED, 0) + content)


def answered(net: NodeNet, name: str = "c") -> SpeedTest | None:
    return net.hosts[name].node.speed_tests._answered


def test_both_directions_are_measured_across_a_relay() -> None:
    net = slow()
    test = finish(net, begin(net))
    assert test.sent is not None
    for arrived in (test.sent.arrived, test.received.arrived):
        assert arrived.elapsed_s == pytest.approx(1.0, abs=0.3)
        assert 0.7 * RATE < arrived.bytes / arrived.elapsed_s < RATE
        assert arrived.trains == arrived.newest + 1
    assert test.received.arrived.bytes <= test.sent.arrived.bytes, "no more comes back than was sent"
    assert test.reason in (SpeedReason.NONE, SpeedReason.EXHAUSTED)
    assert received(net, "c") == received(net, "a") == [], "nothing reaches a TUN device"
    assert counter(net, "c", "speed_tests_answered") == 1
    net.run(1)
    assert answered(net) is None, "another test may begin at once"
    finish(net, begin(net, seconds=0.5))


@pytest.mark.parametrize("seconds", [0.5, 0.61, 0.77, 0.93])
def test_all_that_has_arrived_is_known_at_the_end_whenever_that_is(seconds: float) -> None:
    net = slow(rate=5 * RATE)
    test = begin(net, seconds=seconds)
    net.run(20, until=lambda: test.phase is SpeedStage.RECEIVING)
    other = answered(net)
    assert test.sent is not None
    assert other is not None
    assert test.sent.arrived[:3] == other.received.arrived[:3]


def test_a_test_makes_the_session_that_it_needs() -> None:
    net = slow("abcd")
    assert net.hosts["d"].address not in net.hosts["b"].node.sessions.by_peer
    assert finish(net, begin(net, "b", "d", seconds=0.5)).received.arrived.trains


def test_no_more_comes_back_than_was_sent_however_quick_the_way_back_is() -> None:
    net = slow()
    net.wires["c", "b"].reshape(bytes_per_s=0.0)
    test = finish(net, begin(net))
    assert test.sent is not None
    assert test.reason is SpeedReason.EXHAUSTED
    assert 0.5 * test.sent.arrived.bytes < test.received.arrived.bytes <= test.sent.arrived.bytes
    assert test.received.arrived.elapsed_s < 0.5


def test_the_budget_of_all_ends_what_is_sent_in_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rate = SPEED_TEST_BYTES._replace(at_once=200_000, little_at_once=200_000)
    monkeypatch.setattr(speed_tests_module, "SPEED_TEST_BYTES", rate)
    net = slow()
    test = finish(net, begin(net))
    assert test.reason is SpeedReason.EXHAUSTED
    assert 0 < test.received.arrived.bytes <= 300_000
    net.run(1)
    test = finish(net, begin(net, seconds=0.5))
    assert test.reason is SpeedReason.EXHAUSTED
    assert test.received.arrived.bytes < 150_000, "what had been refilled meanwhile"


def test_one_test_at_a_time_is_answered_and_others_are_told_so() -> None:
    net = slow()
    first = begin(net, "b", "c", seconds=2.0)
    net.run(1)
    second = finish(net, begin(net, "a", "c"))
    assert (second.reason, second.sent) == (SpeedReason.BUSY, None)
    assert counter(net, "c", "speed_tests_refused") == 1
    assert finish(net, first).reason in (SpeedReason.NONE, SpeedReason.EXHAUSTED)


def test_who_keeps_others_out_leaves_them_the_next_test() -> None:
    net = slow()
    first = begin(net)
    net.run(0.3)
    assert finish(net, begin(net, "b", "c")).reason is SpeedReason.BUSY
    assert finish(net, first).reason is not SpeedReason.BUSY
    net.run(1)
    assert finish(net, begin(net)).reason is SpeedReason.BUSY, "it has had its turn"
    assert finish(net, begin(net, "b", "c", seconds=0.5)).reason is not SpeedReason.BUSY
    net.run(1)
    first = begin(net)
    net.run(0.3)
    assert finish(net, begin(net, "b", "c")).reason is SpeedReason.BUSY
    assert finish(net, first).reason is not SpeedReason.BUSY, "others have had theirs"
    net.run(TURN_S)
    assert finish(net, begin(net, seconds=0.5)).reason is not SpeedReason.BUSY, "nobody else has come back"


def test_the_own_operator_has_precedence_and_one_test_at_a_time() -> None:
    net = slow()
    theirs = begin(net, "a", "c", seconds=2.0)
    net.run(0.5)
    ours = begin(net, "c", "b", seconds=0.5)
    with pytest.raises(LocalError, match="another speed test"):
        begin(net, "c", "a")
    net.run(0.2)
    assert answered(net) is None
    finish(net, ours)
    finish(net, theirs)
    assert theirs.reason is not SpeedReason.NONE or not theirs.received.arrived.trains


def test_a_node_that_answers_no_tests_says_so() -> None:
    net = slow()
    net.hosts["c"].node.speed_tests._answers = False
    test = finish(net, begin(net))
    assert (test.reason, test.sent, test.is_agreed) == (SpeedReason.OFF, None, True)


def test_a_test_that_is_given_up_ends_at_the_other_end_too() -> None:
    net = slow()
    test = begin(net, seconds=5.0)
    net.run(0.5)
    assert answered(net) is not None
    net.hosts["a"].node.speed_tests.end(test, now=net.now)
    net.drain("a")
    net.run(1)
    assert answered(net) is None
    assert test.phase is SpeedStage.OVER
    net.hosts["a"].node.speed_tests.end(test, now=net.now)
    assert not net.hosts["a"].node.outbox.transmits, "a test that is over has nothing to tell"


@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.3])
def test_a_cut_ends_a_test_at_both_ends(after_s: float) -> None:
    net = slow()
    test = begin(net)
    net.run(after_s)
    net.cut("a", "b")
    finish(net, test)
    net.run(SILENCE_S + 1.5)
    assert answered(net) is None


def test_lost_requests_are_sent_again() -> None:
    net = slow()
    net.cut("b", "c")
    test = begin(net, seconds=0.5)
    net.run(0.1)
    net.mend("b", "c")
    net.run(ASK_AGAIN_S + 0.2)
    assert test.phase is SpeedStage.SENDING
    assert finish(net, test).received.arrived.trains


def test_who_sends_nothing_gets_nothing() -> None:
    net = slow()
    said(net, SpeedHead(SpeedKind.REQUEST, TOKEN, WANTS_LOAD, 5.0))
    assert answered(net) is None
    said(net, SpeedHead(SpeedKind.REQUEST, TOKEN, SENDS_LOAD, 5.0))
    assert answered(net) is not None
    before = counter(net, "c", "speed_tests_refused")
    said(net, SpeedHead(SpeedKind.REQUEST, TOKEN, WANTS_LOAD, 5.0))
    assert counter(net, "c", "speed_tests_refused") == before + 1


def test_nobody_is_answered_for_longer_than_allowed_and_load_out_of_turn_is_ignored() -> None:
    net = slow()
    said(net, SpeedHead(SpeedKind.REQUEST, TOKEN, SENDS_LOAD, 600.0))
    test = answered(net)
    assert test is not None
    assert test.seconds == SPEED_TEST_S
    for token in (b"no token", TOKEN):
        load = encode_load(token, 0, 200, wants_acknowledgement=True)
        send_items(net, ITEM_HEADER.pack(len(load) << 8 | ITEM_SPEED, 0) + load)
    assert test.received.arrived.trains == 1
    said(net, SpeedHead(SpeedKind.REQUEST, TOKEN, WANTS_LOAD, 0.5))
    net.run(SILENCE_S + 3)
    assert answered(net) is None, "it acknowledged nothing"


@pytest.mark.parametrize("content", [b"\x01", b"\x03" + bytes(11), b"\x04" + bytes(11) + b"x", b"\x09" + bytes(30)])
def test_what_is_malformed_is_counted_or_skipped(content: bytes) -> None:
    net = slow()
    test = begin(net, "a", "c", seconds=5.0)
    net.run(0.3)
    body = memoryview(content[:4] + test.token + content[12:] if len(content) >= 12 else content)
    session = net.hosts["c"].node.sessions.by_peer[net.hosts["a"].address]
    before = counter(net, "c", "trains_malformed")
    net.hosts["c"].node.speed_tests.take(session, body, hop_limit=9, now=net.now)
    is_malformed = content[0] in (1, 3)
    assert counter(net, "c", "trains_malformed") - before == is_malformed


def test_who_asks_again_and_again_gets_no_answer_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_tests_module, "SPEED_REQUESTS_AT_ONCE", 3)
    monkeypatch.setattr(speed_tests_module, "SPEED_REQUESTS_PER_SECOND", 0.01)
    net = slow()
    for number in range(4):
        assert counter(net, "c", "speed_tests_refused") == max(number - 1, 0), "the first is answered"
        said(net, SpeedHead(SpeedKind.REQUEST, number.to_bytes(len(TOKEN), "big"), SENDS_LOAD, 1.0))
    assert counter(net, "c", "speed_tests_refused") == 3
    told = [one for one in net.hosts["c"].node.journal.after(0) if one.kind is EventKind.NEIGHBOUR_EXCESSIVE]
    assert [(one.node, one.cause) for one in told] == [(net.hosts["a"].address, SPEED_TESTS)]
