"""Errors of relays: which ones a source takes, how many it checks, and how many a relay sends."""

import pytest

from mycelium.identity import Identity, verify_signature
from mycelium.limits import (
    LIES_AT_ONCE,
    LIES_PER_SECOND,
    LOST_TRAINS_AT_ONCE,
    RELAY_ERRORS_OF_ALL,
    RELAY_ERRORS_PER_SECOND,
)
from mycelium.node.event_kind import EventKind
from mycelium.routing.excess import LIES, LOST
from mycelium.session.session import Session
from mycelium.wire.train import (
    DATA,
    ERROR,
    ERROR_HOP_LIMIT,
    ERROR_LABEL,
    ERROR_NO_ROUTE,
    ERROR_QUOTE,
    QUOTED_TAG_BYTES,
    TRAIN_HEADER,
)
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, deliver, ping, ready_line


def ready(names: str) -> NodeNet:
    """Returns a line whose ends have a session."""
    net = ready_line(names)
    deliver(net, names[0], names[-1])
    return net


def test_errors_to_other_nodes_are_limited() -> None:
    net = ready("abc")
    for _ in range(500):
        ping(net, "a", "c", hop_limit=1)
    net.run(0.1)
    assert counter(net, "b", "trains_hop_limit") == 500
    assert counter(net, "b", "relay_errors_sent") <= RELAY_ERRORS_PER_SECOND + RELAY_ERRORS_OF_ALL.little_at_once + 1


def test_one_neighbour_leaves_errors_to_others_and_is_named_when_it_sends_without_end() -> None:
    net = ready("abc")
    errors, excesses = net.hosts["b"].node.relay_errors, net.hosts["b"].node.routing.excesses
    source = net.hosts["a"].address
    train = memoryview(TRAIN_HEADER.pack(1, 0, DATA, 0, 16, 0, 1, bytes(16), source) + bytes(16))

    def draw(neighbour: bytes, count: int) -> int:
        before = counter(net, "b", "relay_errors_sent")
        for _ in range(count):
            errors.report(ERROR_HOP_LIMIT, train, neighbour=neighbour, now=net.now)
        return counter(net, "b", "relay_errors_sent") - before

    assert draw(b"liar", LOST_TRAINS_AT_ONCE) == RELAY_ERRORS_PER_SECOND
    assert excesses.take() == []
    assert draw(b"honest", 100) == RELAY_ERRORS_OF_ALL.little_at_once
    assert draw(b"liar", 1) == 0
    assert excesses.take() == [(b"liar", LOST)]


def test_only_the_waypoint_is_left_by_which_the_train_has_gone_that_an_error_is_about() -> None:
    net = ready("abc")
    errors, peer = net.hosts["a"].node.relay_errors, net.hosts["c"].address
    left: list[bytes] = []

    def leave(session: Session, waypoint: bytes, *, now: float) -> None:
        left.append(waypoint)

    errors._leave = leave
    tags = [bytes((number,)) * QUOTED_TAG_BYTES for number in range(3)]
    recent = net.hosts["a"].node.sessions.by_peer[peer].recent
    recent.extend((900 + number, tag, b"", b"home %d" % number) for number, tag in enumerate(tags))
    for counter_, tag in ((901, tags[1]), (902, tags[0])):  # the second one is about no train
        errors._leave_waypoint(memoryview(ERROR_QUOTE.pack(ERROR_NO_ROUTE, 0, counter_, peer, tag)), now=net.now)
    assert left == [b"home 1"]


def error_body(net: NodeNet, *, signer: Identity, source: bytes | None = None, tag_flip: int = 0) -> bytes:
    """Returns an error about the newest train from a to c, signed by `signer` for `source`."""
    session = net.hosts["a"].node.sessions.by_peer[net.hosts["c"].address]
    number, tag, *_ = session.recent[-1]
    assert session.sending is not None
    tag = bytes((tag[0] ^ tag_flip,)) + tag[1:]
    assert len(tag) == QUOTED_TAG_BYTES
    quote = ERROR_QUOTE.pack(ERROR_HOP_LIMIT, session.sending.remote_index, number, net.hosts["c"].address, tag)
    body = quote + signer.signing_public_key
    return body + signer.sign(ERROR_LABEL + (source or net.hosts["a"].address) + body)


def receive_error(net: NodeNet, reporter: bytes, body: bytes) -> list[bytes]:
    """Hands an error to a; returns what its applications get."""
    net.hosts["a"].node.relay_errors.receive(reporter, memoryview(body), neighbour=reporter, now=net.now)
    net.drain("a")
    return [packet for packet, _, _ in net.hosts["a"].delivered]


def test_an_error_about_a_train_of_ours_is_taken() -> None:
    net = ready("abc")
    ping(net, "a", "c")
    b = net.hosts["b"].identity
    assert len(receive_error(net, b.address, error_body(net, signer=b))) == 1


@pytest.mark.parametrize("forgery", ["reporter", "signature", "source", "tag", "short", "long", "key"])
def test_a_forged_error_is_refused_and_counted(forgery: str) -> None:
    net = ready("abc")
    ping(net, "a", "c")
    b = net.hosts["b"].identity
    reporter, body = b.address, error_body(net, signer=b)
    match forgery:
        case "reporter":
            reporter = net.hosts["c"].address
        case "signature":
            body = body[:-1] + bytes((body[-1] ^ 1,))
        case "source":
            body = error_body(net, signer=b, source=net.hosts["c"].address)
        case "tag":
            body = error_body(net, signer=b, tag_flip=1)
        case "short":
            body = body[:-1]
        case "long":
            body = body + b"\0"
        case "key":
            body = body[: ERROR_QUOTE.size] + b"\xff" * 32 + body[ERROR_QUOTE.size + 32 :]
    assert receive_error(net, reporter, body) == []
    assert counter(net, "a", "relay_errors_refused") == 1


def test_forged_errors_do_not_keep_real_ones_out() -> None:
    net = ready("abc")
    ping(net, "a", "c")
    b, stranger = net.hosts["b"].identity, Identity(bytes(range(32)))
    for _ in range(500):
        receive_error(net, stranger.address, error_body(net, signer=stranger, tag_flip=1))
    assert len(receive_error(net, b.address, error_body(net, signer=b))) == 1


def test_a_source_checks_a_bounded_number_of_signatures_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready("abc")
    ping(net, "a", "c")
    stranger = Identity(bytes(range(32)))
    checked = []

    def check(key: bytes, signed: bytes, signature: bytes) -> bool:
        checked.append(signature)
        return verify_signature(key, signed, signature)

    monkeypatch.setattr("mycelium.identity.verify_signature", check)
    body = error_body(net, signer=stranger, source=bytes(16))  # of a train that it has seen
    for _ in range(10 * RELAY_ERRORS_PER_SECOND):
        assert receive_error(net, stranger.address, body) == []
    assert len(checked) == RELAY_ERRORS_PER_SECOND
    assert counter(net, "a", "relay_errors_refused") == 10 * RELAY_ERRORS_PER_SECOND


def test_a_neighbour_that_passes_on_errors_about_trains_of_nobody_is_named() -> None:
    net = ready("abc")
    b, node = net.hosts["b"].identity, net.hosts["a"].node
    lie = error_body(net, signer=b, tag_flip=1)
    for _ in range(LIES_AT_ONCE):
        assert receive_error(net, b.address, lie) == []
    assert node.routing.excesses.take() == []
    receive_error(net, b.address, lie)
    assert node.routing.excesses.take() == [(b.address, LIES)]


def test_a_neighbour_that_passes_on_more_errors_than_are_checked_is_no_liar() -> None:
    net = ready("abc")
    ping(net, "a", "c")
    b, node = net.hosts["b"].identity, net.hosts["a"].node
    true = error_body(net, signer=b)
    for _ in range(LIES_AT_ONCE + RELAY_ERRORS_PER_SECOND + 1):
        receive_error(net, b.address, true)
    assert counter(net, "a", "relay_errors_refused") == LIES_AT_ONCE + 1
    assert node.routing.excesses.take() == []


def test_a_neighbour_is_named_for_what_others_behind_it_say() -> None:
    net = ready("abc")
    a, b, c = (net.hosts[name] for name in "abc")
    lie = error_body(net, signer=c.identity, tag_flip=1)
    for _ in range(LIES_AT_ONCE + LIES_PER_SECOND):
        assert c.node.relay_errors._send(a.address, ERROR, 0, 0, lie, now=net.now)
    net.drain("c")
    net.run(0.1)
    named = [event.node for event in a.node.journal.after(0) if event.kind is EventKind.NEIGHBOUR_EXCESSIVE]
    assert named == [b.address]
