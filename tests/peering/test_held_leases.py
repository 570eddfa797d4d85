"""The leases that a node has at relays."""

from itertools import count

from mycelium.endpoint import Endpoint
from mycelium.limits import LEASES_HELD
from mycelium.outbox import Outbox
from mycelium.peering.held_leases import (
    BIND_AGAIN_S,
    NEVER_UP,
    OPENING_S,
    RENEW_S,
    UNUSED,
    UNUSED_S,
    WORDS,
    Ended,
    HeldLeases,
    Ready,
)
from mycelium.peering.lease_binding import nonce_of, sealed_bind
from mycelium.wire.lease import LEASE_BIND, LEASE_CHALLENGE, NO_NONCE, LeaseAnswer, LeaseRequest, LeaseState

RELAY, PEER = b"r" * 16, b"p" * 16
AT_RELAY = Endpoint("udp", "192.0.2.7", 9651, local=b"here", local_port=9651)
PORT = Endpoint("udp", "192.0.2.7", 20_001)
SECRET = b"s" * 16
START = 50.0


class Bench:
    """A node with one relay, and what it sends."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.at: Endpoint | None = AT_RELAY
        self.is_used = False
        numbers = count(1)
        self.held = HeldLeases(
            udp_endpoint=lambda relay: self.at,
            is_used=lambda peer, endpoint: self.is_used,
            outbox=self.outbox,
            entropy=lambda size: next(numbers).to_bytes(size, "big"),
        )

    def requests(self) -> list[LeaseRequest]:
        taken = [request for _, request in self.held.requests]
        self.held.requests.clear()
        return taken

    def answer(self, state: LeaseState, *, secret: bytes = SECRET, port: int = 20_001, now: float = START) -> None:
        self.held.answered(RELAY, LeaseAnswer(PEER, b"\0\0\0\1", state, port, secret), now=now)

    def nonces(self) -> list[bytes | None]:
        """Returns the nonces of the binds that were sent."""
        sent = [nonce_of(bytes(data), LEASE_BIND, SECRET) for _, (data,), *_ in self.outbox.transmits]
        assert {endpoint for endpoint, *_ in self.outbox.transmits} <= {PORT}
        self.outbox.clear()
        return sent

    def open(self, *, now: float = START) -> None:
        assert self.held.ask(RELAY, PEER, now=now)
        self.answer(LeaseState.GRANTED, now=now)
        self.answer(LeaseState.OPEN, now=now)
        assert self.held.ready == [Ready(PEER, PORT)]
        self.held.ready.clear()
        self.requests()
        self.nonces()


def test_a_granted_port_is_bound_and_an_open_one_ready() -> None:
    bench = Bench()
    assert bench.held.ask(RELAY, PEER, now=START)
    assert bench.requests() == [LeaseRequest(PEER, b"\0\0\0\1")]
    bench.answer(LeaseState.WANTED)
    assert bench.nonces() == []
    bench.answer(LeaseState.GRANTED)
    assert bench.nonces() == [NO_NONCE]
    assert not bench.held.is_open(RELAY, PEER)
    assert bench.held.challenged(PORT, sealed_bind(LEASE_CHALLENGE, b"n" * 16, SECRET))
    assert bench.nonces() == [b"n" * 16]
    bench.answer(LeaseState.OPEN)
    assert bench.held.ready == [Ready(PEER, PORT)]
    assert bench.held.is_open(RELAY, PEER)
    bench.answer(LeaseState.OPEN)
    assert len(bench.held.ready) == 1
    assert bench.held.relay_at(PORT) == bench.held.relay_for(PEER) == RELAY
    assert bench.held.relay_at(AT_RELAY) is None
    assert bench.held.relay_for(RELAY) is None
    assert bench.held.counters.leases_opened == 1


def test_binds_are_repeated_until_the_port_is_open() -> None:
    bench = Bench()
    bench.held.ask(RELAY, PEER, now=START)
    bench.answer(LeaseState.GRANTED)
    now = START
    for wait in BIND_AGAIN_S:
        assert bench.nonces() == [NO_NONCE]
        assert bench.held.next_deadline() == now + wait
        bench.held.handle_timeout(now=now + wait - 0.01)
        assert bench.nonces() == []
        now += wait
        bench.held.handle_timeout(now=now)
    assert bench.nonces() == [NO_NONCE]
    bench.held.handle_timeout(now=now + 1)
    assert bench.nonces() == []
    bench.answer(LeaseState.GRANTED, now=now)  # the answer to a renewal
    assert bench.nonces() == [NO_NONCE]
    bench.answer(LeaseState.OPEN, now=now)
    bench.held.handle_timeout(now=now + 1)
    assert bench.nonces() == []


def test_challenges_of_others_are_none() -> None:
    bench = Bench()
    bench.open()
    assert not bench.held.challenged(PORT, sealed_bind(LEASE_CHALLENGE, b"n" * 16, b"guessed" + bytes(9)))
    assert not bench.held.challenged(AT_RELAY, sealed_bind(LEASE_CHALLENGE, b"n" * 16, SECRET))
    assert not bench.held.challenged(PORT, b"junk")
    assert bench.nonces() == []


def test_answers_that_were_not_asked_for_are_ignored() -> None:
    bench = Bench()
    bench.answer(LeaseState.GRANTED)
    bench.held.ask(RELAY, PEER, now=START)
    bench.held.answered(RELAY, LeaseAnswer(PEER, b"late", LeaseState.GRANTED, 1, SECRET), now=START)
    bench.held.answered(PEER, LeaseAnswer(PEER, b"\0\0\0\1", LeaseState.GRANTED, 1, SECRET), now=START)
    bench.held.answered(RELAY, LeaseAnswer(PEER, b"\0\0\0\1", 99, 1, SECRET), now=START)
    bench.answer(LeaseState.GRANTED, port=0)
    assert bench.nonces() == []
    assert bench.held.relay_for(PEER) == RELAY


def test_a_lease_in_use_is_renewed_and_one_out_of_use_given_up() -> None:
    bench = Bench()
    bench.open()
    bench.is_used = True
    now = START
    for _ in range(10):
        now = bench.held.next_deadline()
        bench.held.handle_timeout(now=now)
        assert bench.requests() == [LeaseRequest(PEER, b"\0\0\0\1")]
    assert now == START + 10 * RENEW_S
    bench.is_used = False
    while bench.held.relay_for(PEER) is not None:
        bench.held.handle_timeout(now=bench.held.next_deadline())
        now += RENEW_S
    assert now == START + 10 * RENEW_S + UNUSED_S
    assert bench.requests()[-1] == LeaseRequest(PEER, b"\0\0\0\1", is_wanted=False)
    assert bench.held.ended == [Ended(RELAY, PEER, UNUSED)]


def test_a_lease_over_which_no_link_comes_up_is_given_up() -> None:
    bench = Bench()
    bench.open()
    for now in (START + RENEW_S, START + OPENING_S):
        bench.held.handle_timeout(now=now)
    assert bench.held.ended == [Ended(RELAY, PEER, NEVER_UP)]
    assert bench.held.counters.leases_lost == 1


def test_refusals_end_it_with_their_reason() -> None:
    for state, cause in WORDS.items():
        bench = Bench()
        bench.held.ask(RELAY, PEER, now=START)
        bench.answer(state)
        assert bench.held.ended == [Ended(RELAY, PEER, cause)]
        assert bench.held.relay_for(PEER) is None


def test_the_address_is_bound_anew_when_it_may_have_changed() -> None:
    bench = Bench()
    bench.open()
    bench.held.rebind(PORT._replace(local=b"elsewhere"), now=START)
    assert bench.nonces() == [NO_NONCE]
    bench.held.rebind(AT_RELAY, now=START)
    assert bench.nonces() == []
    bench.held.rebind(now=START)
    assert bench.nonces() == [NO_NONCE]
    bench.held.handle_timeout(now=START + BIND_AGAIN_S[0])
    assert bench.nonces() == [NO_NONCE]


def test_a_relay_that_has_restarted_gives_a_new_port() -> None:
    bench = Bench()
    bench.open()
    bench.answer(LeaseState.GRANTED, secret=b"t" * 16, port=20_002)
    [(endpoint, *_)] = bench.outbox.transmits
    assert endpoint == PORT._replace(port=20_002)
    bench.answer(LeaseState.OPEN, secret=b"t" * 16, port=20_002)
    assert bench.held.ready == [Ready(PEER, PORT._replace(port=20_002))]


def test_only_so_many_are_held_and_none_at_a_relay_out_of_reach() -> None:
    bench = Bench()
    for index in range(LEASES_HELD):
        assert bench.held.ask(RELAY, bytes((index,)) * 16, now=START)
    assert not bench.held.ask(RELAY, PEER, now=START)
    assert bench.held.ask(RELAY, bytes(16), now=START)  # there already
    assert len(bench.requests()) == LEASES_HELD
    bench = Bench()
    bench.at = None
    assert not bench.held.ask(RELAY, PEER, now=START)
    assert bench.requests() == []


def test_a_lease_is_given_up_in_favour_of_another() -> None:
    bench = Bench()
    bench.open()
    bench.held.give_up(RELAY, PEER)
    assert bench.requests() == [LeaseRequest(PEER, b"\0\0\0\1", is_wanted=False)]
    assert bench.held.relay_at(PORT) is None
    assert bench.held.ended == []


def test_a_link_has_as_long_to_come_up_if_the_port_opens_late() -> None:
    bench = Bench()
    bench.held.ask(RELAY, PEER, now=START)
    bench.held.handle_timeout(now=START + RENEW_S)
    bench.answer(LeaseState.GRANTED, now=START + RENEW_S)
    bench.answer(LeaseState.OPEN, now=START + RENEW_S + 1)
    bench.held.handle_timeout(now=START + OPENING_S)
    assert bench.held.relay_for(PEER) == RELAY
    bench.held.handle_timeout(now=START + OPENING_S + RENEW_S)
    assert bench.held.relay_for(PEER) == RELAY
    bench.held.handle_timeout(now=START + OPENING_S + 2 * RENEW_S)
    assert bench.held.relay_for(PEER) is None
    assert bench.held.ended == [Ended(RELAY, PEER, NEVER_UP)]


def test_the_waits_are_short_at_first_and_the_bounds_as_documented() -> None:
    assert BIND_AGAIN_S == (0.1, 0.2, 0.4, 0.8, 1.5)
    assert (RENEW_S, OPENING_S, UNUSED_S) == (5.0, 10.0, 30.0)
