"""Join requests at a member: those of its invitations are heard, and nobody else gets a datagram."""

from mycelium.crypto.join_handshake import JoinInitiator, secret_of
from mycelium.endpoint import Endpoint
from mycelium.limits import JOIN_REPLIES, JOIN_REQUESTS_AT_ONCE, JOIN_REQUESTS_REMEMBERED
from mycelium.outbox import JoinAsked, Outbox
from mycelium.peering.inviting import Inviting
from mycelium.wire.join import JOIN_BYTES, JOIN_REQUEST, JoinAnswer
from tests.crypto.support import ALICE, BOB, PRIMITIVES, config_of, entropy_of

TOKEN = bytes(range(16))
HERE, ELSEWHERE = Endpoint("udp", "192.0.2.1", 4001), Endpoint("udp", "203.0.113.9", 53)
FINGERPRINT = b"f" * 16
LONG = JoinAnswer(0, b"k" * 32, "corp", "laptop", bytes(1_200))
ANSWER = JoinAnswer(0, b"k" * 32, "corp", "laptop")
START = 100.0


class Bench:
    """A member with one invitation."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.inviting = Inviting(config_of(BOB), self.outbox)
        self.inviting.keep([secret_of(TOKEN)])
        self.now = START

    def send(self, datagram: bytes, endpoint: Endpoint = HERE) -> list[JoinAsked]:
        """Hands in a datagram; returns who asks to join by it."""
        self.outbox.clear()
        assert self.inviting.takes(endpoint, memoryview(datagram), now=self.now)
        return [event for event in self.outbox.events if isinstance(event, JoinAsked)]

    def sent(self) -> list[tuple[Endpoint, bytes]]:
        return [(endpoint, bytes(buffers[0])) for endpoint, buffers, *_ in self.outbox.transmits]


def asking(seed: int = 1, token: bytes = TOKEN) -> JoinInitiator:
    return JoinInitiator(
        ALICE, FINGERPRINT, token, pin=BOB.exchange_public_key, entropy=entropy_of(seed), primitives=PRIMITIVES
    )


def first(one: JoinInitiator) -> bytes:
    """Returns the request of a node that knows nothing of the answer yet."""
    return one.requests()[0]


def test_an_invited_node_is_answered_where_it_asked() -> None:
    bench, one = Bench(), asking()
    [asked] = bench.send(first(one))
    assert (asked.key, asked.fingerprint, asked.endpoint) == (ALICE.exchange_public_key, FINGERPRINT, HERE)
    assert bench.sent() == []  # before whoever keeps the invitations has decided
    bench.inviting.answer(asked, ANSWER)
    [(endpoint, reply)] = bench.sent()
    assert endpoint == HERE
    assert one.receive_reply(reply) == ANSWER


def test_a_request_that_comes_again_gets_a_reply_a_few_times() -> None:
    bench, one = Bench(), asking()
    request = first(one)
    [asked] = bench.send(request)
    assert bench.send(request) == []
    assert bench.sent() == []  # not decided yet
    bench.inviting.answer(asked, ANSWER)
    for _ in range(JOIN_REPLIES - 1):
        assert bench.send(request) == []
        [(endpoint, reply)] = bench.sent()
        assert endpoint == HERE
        assert one.receive_reply(reply) == ANSWER
    assert bench.send(request) == []
    assert bench.sent() == []


def test_a_long_answer_goes_in_parts_each_asked_for_and_no_more_often_than_the_others() -> None:
    bench, one = Bench(), asking()
    [asked] = bench.send(first(one))
    bench.inviting.answer(asked, LONG)
    [(_, reply)] = bench.sent()
    assert one.receive_reply(reply) is None
    second, third = one.requests()
    assert bench.send(second, ELSEWHERE) == []
    assert bench.sent() == []
    answers = []
    for request in (third, second):
        assert bench.send(request) == []
        [(endpoint, reply)] = bench.sent()
        assert (endpoint, len(reply)) == (HERE, JOIN_BYTES)
        answers.append(one.receive_reply(reply))
    assert answers == [None, LONG]
    sent = 0
    for _ in range(3 * JOIN_REPLIES):
        bench.send(second)
        sent += len(bench.sent())
    assert sent == 3 * JOIN_REPLIES - 3


def test_a_part_of_no_answer_is_not_sent() -> None:
    bench, one, other = Bench(), asking(), asking(2)
    request = first(one)
    [asked] = bench.send(request)
    bench.inviting.answer(asked, LONG)
    [(_, reply)] = bench.sent()
    one.receive_reply(reply)
    _, third = one.requests()
    fresh = Bench()
    for _ in range(JOIN_REQUESTS_AT_ONCE):  # of a request that is not known, which so costs none of their rate
        assert fresh.send(third) == []
    [asked] = fresh.send(request)
    assert fresh.send(third) == []  # which is not answered yet
    assert fresh.sent() == []
    fresh.inviting.answer(asked, ANSWER)
    assert fresh.send(third) == []  # whose answer is shorter
    assert fresh.sent() == []
    assert fresh.inviting.counters.joins_refused == JOIN_REQUESTS_AT_ONCE + 1
    assert fresh.send(first(other))


def test_a_replay_from_elsewhere_gets_nothing() -> None:
    bench, one = Bench(), asking()
    [asked] = bench.send(first(one))
    bench.inviting.answer(asked, ANSWER)
    assert bench.send(first(one), ELSEWHERE) == []
    assert bench.sent() == []
    assert bench.inviting.counters.joins_refused == 1


def test_strangers_get_nothing_and_are_counted() -> None:
    bench = Bench()
    wrong_member = JoinInitiator(
        BOB, None, TOKEN, pin=ALICE.exchange_public_key, entropy=entropy_of(3), primitives=PRIMITIVES
    )
    strange = (
        bytes((JOIN_REQUEST,)),
        bytes((JOIN_REQUEST, 1)).ljust(JOIN_BYTES, b"x"),
        first(asking(token=bytes(16))),
        first(asking())[:-1] + b"?",
        first(wrong_member),
    )
    for count, datagram in enumerate(strange, 1):
        assert bench.send(datagram) == []
        assert bench.sent() == []
        assert bench.inviting.counters.joins_refused == count


def test_other_datagrams_are_left_to_others() -> None:
    assert not Bench().inviting.takes(HERE, memoryview(b"\x14" + bytes(50)), now=START)


def test_an_invitation_that_is_kept_no_more_is_heard_no_more() -> None:
    bench = Bench()
    bench.inviting.keep([])
    assert bench.send(first(asking())) == []
    assert bench.inviting.counters.joins_refused == 1


def test_requests_are_opened_at_a_bounded_rate_and_few_are_remembered() -> None:
    bench = Bench()
    heard = [bench.send(first(asking(seed))) for seed in range(JOIN_REQUESTS_AT_ONCE + 1)]
    assert [bool(events) for events in heard] == [True] * JOIN_REQUESTS_AT_ONCE + [False]
    oldest = heard[0][0]
    bench.now += 1_000
    for seed in range(1_000, 1_000 + JOIN_REQUESTS_REMEMBERED):
        bench.now += 1
        assert bench.send(first(asking(seed)))
    bench.outbox.clear()
    bench.inviting.answer(oldest, ANSWER)
    assert bench.sent() == []  # forgotten
