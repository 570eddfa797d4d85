"""The table of leases that a relay gives."""

from itertools import count

from mycelium.endpoint import Endpoint
from mycelium.limits import LEASE_BINDS_PER_SECOND, LEASE_REQUESTS_PER_SECOND, LEASES, LEASES_PER_NEIGHBOUR
from mycelium.outbox import Event, LeaseClosed, LeaseOpened, LeasePortWanted, Outbox
from mycelium.peering.lease_binding import nonce_of, sealed_bind
from mycelium.peering.leases import (
    EXPIRED,
    GIVEN_UP,
    LEASE_OPENING_S,
    LEASE_S,
    NO_TOKEN,
    TWO_FAMILIES,
    UNBOUND,
    Leases,
)
from mycelium.wire.lease import LEASE_BIND, LEASE_CHALLENGE, NO_NONCE, LeaseAnswer, LeaseRequest, LeaseState

A, B, C = (name * 16 for name in (b"a", b"b", b"c"))
AT_A, AT_B = Endpoint("udp", "192.0.2.1", 4001), Endpoint("udp", "198.51.100.2", 4002)
ELSEWHERE = Endpoint("udp", "203.0.113.9", 53)
PORT = 20_001
START = 100.0


class Bench:
    """A relay, and what it says and wants."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.families: dict[bytes, int] = {A: 4, B: 4, C: 4}
        numbers = count(1)
        self.leases = Leases(
            family_of=self.families.get, outbox=self.outbox, entropy=lambda size: next(numbers).to_bytes(size, "big")
        )
        self.leases.is_offered = True

    def ask(self, neighbour: bytes, peer: bytes, *, now: float = START, is_wanted: bool = True) -> None:
        self.leases.requested(neighbour, LeaseRequest(peer, b"tok" + neighbour[:1], is_wanted), now=now)

    def answers(self) -> list[tuple[bytes, LeaseAnswer]]:
        taken = list(self.leases.answers)
        self.leases.answers.clear()
        return taken

    def states(self) -> list[tuple[bytes, int]]:
        return [(neighbour, answer.state) for neighbour, answer in self.answers()]

    def events(self) -> list[Event]:
        taken = list(self.outbox.events)
        self.outbox.clear()
        return taken

    def grant(self, *, now: float = START) -> dict[bytes, bytes]:
        """Has both ask and a port opened; returns the secrets of the two."""
        self.ask(A, B, now=now)
        self.ask(B, A, now=now)
        self.events()
        self.answers()
        self.leases.port_opened(1, PORT)
        return {neighbour: answer.secret for neighbour, answer in self.answers()}

    def bind(self, secret: bytes, source: Endpoint, *, now: float = START) -> None:
        """Binds an address as its owner does."""
        challenge = self.leases.arrived(1, source, sealed_bind(LEASE_BIND, NO_NONCE, secret), now=now)
        assert challenge is not None
        nonce = nonce_of(challenge, LEASE_CHALLENGE, secret)
        assert nonce is not None
        assert self.leases.arrived(1, source, sealed_bind(LEASE_BIND, nonce, secret), now=now) is None

    def open(self, *, now: float = START) -> dict[bytes, bytes]:
        """Opens a lease between A and B."""
        secrets = self.grant(now=now)
        self.bind(secrets[A], AT_A, now=now)
        self.bind(secrets[B], AT_B, now=now)
        assert self.events() == [LeaseOpened(1, AT_A, AT_B)]
        self.leases.passes(1, now=now)
        assert self.states() == [(A, LeaseState.OPEN), (B, LeaseState.OPEN)]
        return secrets


def test_a_request_of_one_end_draws_no_port_but_an_invitation_of_the_other() -> None:
    bench = Bench()
    bench.ask(A, B)
    assert bench.answers() == [
        (A, LeaseAnswer(B, b"toka", LeaseState.WANTED)),
        (B, LeaseAnswer(A, NO_TOKEN, LeaseState.WANTED)),
    ]
    assert bench.events() == []
    assert bench.leases.by_number == {}


def test_both_together_get_one_port_and_a_secret_each() -> None:
    bench = Bench()
    bench.ask(A, B)
    bench.ask(B, A)
    assert bench.events() == [LeasePortWanted(1)]
    bench.answers()
    bench.leases.port_opened(1, PORT)
    (one, to_a), (other, to_b) = bench.answers()
    assert (one, to_a.peer, to_a.token, to_a.state, to_a.port) == (A, B, b"toka", LeaseState.GRANTED, PORT)
    assert (other, to_b.peer, to_b.token, to_b.state, to_b.port) == (B, A, b"tokb", LeaseState.GRANTED, PORT)
    assert to_a.secret != to_b.secret


def test_the_kernel_is_told_once_both_have_bound_an_address() -> None:
    bench = Bench()
    secrets = bench.grant()
    bench.bind(secrets[A], AT_A)
    assert bench.events() == []
    bench.bind(secrets[B], AT_B)
    assert bench.events() == [LeaseOpened(1, AT_A, AT_B)]
    bench.leases.passes(1, now=START)
    assert bench.leases.counters.leases_given == 1
    assert bench.leases.counters.lease_addresses_moved == 0


def test_nobody_binds_without_the_secret_or_the_address_of_a_third_party() -> None:
    bench = Bench()
    secrets = bench.grant()
    wrong = sealed_bind(LEASE_BIND, NO_NONCE, b"guessed" + bytes(9))
    assert bench.leases.arrived(1, ELSEWHERE, wrong, now=START) is None
    assert bench.leases.counters.lease_binds_refused == 1
    challenge = bench.leases.arrived(1, AT_A, sealed_bind(LEASE_BIND, NO_NONCE, secrets[A]), now=START)
    nonce = nonce_of(challenge or b"", LEASE_CHALLENGE, secrets[A])
    assert nonce is not None
    # Whoever sends it again under a forged source, the end itself included, has one challenge sent there, and no more.
    again = bench.leases.arrived(1, ELSEWHERE, sealed_bind(LEASE_BIND, nonce, secrets[A]), now=START)
    assert again is not None
    assert len(again) <= len(wrong)  # nothing is amplified
    bench.bind(secrets[B], AT_B)
    assert bench.events() == []


def test_an_end_that_moves_binds_anew_and_its_old_nonces_are_void() -> None:
    bench = Bench()
    secrets = bench.open()
    challenge = bench.leases.arrived(1, ELSEWHERE, sealed_bind(LEASE_BIND, NO_NONCE, secrets[A]), now=START)
    nonce = nonce_of(challenge or b"", LEASE_CHALLENGE, secrets[A])
    assert nonce is not None
    bench.bind(secrets[A], ELSEWHERE)
    assert bench.events() == [LeaseOpened(1, ELSEWHERE, AT_B)]
    bench.bind(secrets[A], AT_A)
    assert bench.events() == [LeaseOpened(1, AT_A, AT_B)]
    replayed = bench.leases.arrived(1, ELSEWHERE, sealed_bind(LEASE_BIND, nonce, secrets[A]), now=START)
    assert replayed is not None
    assert bench.events() == []
    assert bench.leases.counters.lease_addresses_moved == 2


def test_a_bind_of_the_address_in_use_changes_nothing() -> None:
    bench = Bench()
    secrets = bench.open()
    bench.bind(secrets[A], AT_A)
    assert bench.events() == []
    assert bench.states() == []


def test_ends_of_two_families_get_nothing() -> None:
    bench = Bench()
    secrets = bench.grant()
    bench.bind(secrets[A], AT_A)
    bench.bind(secrets[B], Endpoint("udp", "2001:db8::2", 4002))
    assert bench.events() == [LeaseClosed(1)]
    assert bench.states() == [(A, LeaseState.ENDED), (B, LeaseState.ENDED)]
    bench.leases.closed(1, 0, 0)
    assert bench.leases.ended == []  # it was never open
    assert TWO_FAMILIES not in (EXPIRED, UNBOUND)


def test_a_lease_lives_while_both_renew_it() -> None:
    bench = Bench()
    bench.open()
    for now in (START + 15, START + 30):
        bench.ask(A, B, now=now)
        bench.ask(B, A, now=now)
        assert [answer.secret != bytes(16) for _, answer in bench.answers()] == [True, True]
        bench.leases.handle_timeout(now=now)
    bench.ask(A, B, now=START + 45)
    bench.answers()
    assert bench.leases.next_deadline() == START + 30 + LEASE_S
    bench.leases.handle_timeout(now=START + 30 + LEASE_S)
    assert bench.events() == [LeaseClosed(1)]
    assert [(neighbour, answer.state, answer.port, any(answer.secret)) for neighbour, answer in bench.answers()] == [
        (A, LeaseState.ENDED, 0, False),
        (B, LeaseState.ENDED, 0, False),
    ]
    bench.leases.closed(1, 7, 7_000)
    [over] = bench.leases.ended
    assert (over.ends, over.cause, over.datagrams, over.size) == ((A, B), EXPIRED, 7, 7_000)
    assert (bench.leases.counters.lease_datagrams, bench.leases.counters.lease_bytes) == (7, 7_000)


def test_ports_to_which_nobody_comes_are_closed_soon() -> None:
    bench = Bench()
    secrets = bench.grant()
    bench.bind(secrets[A], AT_A)
    assert bench.leases.next_deadline() == START + LEASE_OPENING_S
    bench.leases.handle_timeout(now=START + LEASE_OPENING_S)
    assert bench.events() == [LeaseClosed(1)]
    assert bench.leases.arrived(1, AT_A, sealed_bind(LEASE_BIND, NO_NONCE, secrets[A]), now=START) is None


def test_either_end_gives_a_lease_up() -> None:
    bench = Bench()
    bench.open()
    bench.ask(C, B, is_wanted=False)  # of no effect
    assert len(bench.leases.by_number) == 1
    bench.ask(B, A, is_wanted=False)
    assert bench.events() == [LeaseClosed(1)]
    bench.leases.closed(1, 0, 0)
    assert [over.cause for over in bench.leases.ended] == [GIVEN_UP]
    bench.answers()
    bench.ask(A, B)
    assert bench.states() == [(A, LeaseState.WANTED), (B, LeaseState.WANTED)]


def test_a_request_that_stays_alone_is_forgotten() -> None:
    bench = Bench()
    bench.ask(A, B)
    assert bench.leases.next_deadline() == START + LEASE_S
    bench.leases.handle_timeout(now=START + LEASE_S)
    bench.ask(B, A, now=START + LEASE_S)
    assert bench.events() == []


def test_an_end_that_has_restarted_is_told_its_secret_again() -> None:
    bench = Bench()
    secrets = bench.open()
    bench.leases.requested(A, LeaseRequest(B, b"anew"), now=START)
    [(neighbour, answer)] = bench.answers()
    assert (neighbour, answer.token, answer.state, answer.secret) == (A, b"anew", LeaseState.OPEN, secrets[A])


def test_a_request_that_is_repeated_before_the_port_is_open_is_answered_when_it_is() -> None:
    bench = Bench()
    bench.ask(A, B)
    bench.ask(B, A)
    bench.answers()
    bench.ask(A, B, now=START + 1)
    assert bench.answers() == []
    bench.leases.port_opened(1, PORT)
    assert bench.states() == [(A, LeaseState.GRANTED), (B, LeaseState.GRANTED)]


def test_what_is_refused_is_told_with_its_reason() -> None:
    bench = Bench()
    bench.ask(A, b"x" * 16)
    bench.ask(A, A)
    bench.families[B] = 6
    bench.ask(A, B)
    bench.families.update({A: 0, B: 0})
    bench.ask(A, B)
    bench.leases.is_offered = False
    bench.ask(A, B)
    assert bench.states() == [
        (A, LeaseState.NO_NEIGHBOUR),
        (A, LeaseState.NO_NEIGHBOUR),
        (A, LeaseState.NO_COMMON_FAMILY),
        (A, LeaseState.NO_COMMON_FAMILY),
        (A, LeaseState.NOT_OFFERED),
    ]
    assert bench.leases.counters.leases_refused == 5
    assert bench.events() == []


def test_a_neighbour_has_no_more_than_its_share() -> None:
    bench = Bench()
    others = [bytes((index,)) * 16 for index in range(LEASES_PER_NEIGHBOUR + 1)]
    bench.families.update(dict.fromkeys(others, 4))
    for index, other in enumerate(others):
        bench.ask(A, other, now=START + index)  # slowly enough
    assert [state for neighbour, state in bench.states() if neighbour == A] == [
        LeaseState.WANTED
    ] * LEASES_PER_NEIGHBOUR + [LeaseState.FULL]
    bench.ask(others[0], A, now=START)
    assert bench.events() == [LeasePortWanted(1)]
    bench.ask(others[-1], A, now=START)  # which would be one too many for A, but is not asked for by it
    assert bench.events() == []


def test_all_together_have_no_more_than_there_may_be() -> None:
    bench = Bench()
    pairs = [(b"1%07d" % index * 2, b"2%07d" % index * 2) for index in range(LEASES + 1)]
    for one, other in pairs:
        bench.families.update({one: 4, other: 4})
        bench.ask(one, other)
        bench.ask(other, one)
    assert len(bench.leases.by_number) == LEASES
    assert [state for _, state in bench.states()][-2:] == [LeaseState.FULL, LeaseState.FULL]


def test_a_flood_of_requests_or_binds_is_dropped_and_counted() -> None:
    bench = Bench()
    for _ in range(LEASE_REQUESTS_PER_SECOND + 5):
        bench.ask(A, B)
    assert bench.leases.counters.lease_requests_dropped == 5
    bench = Bench()
    bench.grant()
    for _ in range(LEASE_BINDS_PER_SECOND + 5):
        bench.leases.arrived(1, ELSEWHERE, b"junk", now=START)
    assert bench.leases.counters.lease_binds_refused == LEASE_BINDS_PER_SECOND + 5


def test_what_the_driver_tells_of_a_lease_that_is_over_has_no_effect() -> None:
    bench = Bench()
    bench.open()
    bench.leases.end(1, "no route")
    assert bench.events() == [LeaseClosed(1)]
    bench.answers()
    bench.leases.end(1, "no route")
    bench.leases.passes(1, now=START)
    bench.leases.port_opened(1, PORT)
    assert bench.events() == []
    assert bench.answers() == []


def test_a_request_that_is_refused_takes_an_earlier_one_back() -> None:
    bench = Bench()
    bench.ask(A, B)
    bench.families[A] = 6
    bench.ask(A, B)
    bench.families[A] = 4
    bench.answers()
    bench.ask(B, A)
    assert bench.events() == []
    assert bench.states() == [(B, LeaseState.WANTED), (A, LeaseState.WANTED)]


def test_none_are_given_before_a_driver_offers_them() -> None:
    outbox = Outbox()
    leases = Leases(family_of={A: 4, B: 4}.get, outbox=outbox, entropy=bytes)
    leases.requested(A, LeaseRequest(B, b"toka"), now=START)
    assert [answer.state for _, answer in leases.answers] == [LeaseState.NOT_OFFERED]
