"""The dialler: one handshake for all candidates with the same endpoint and pin, and a bounded share for each source."""

from math import inf

import pytest
from msgspec import structs

from mycelium.identity import Identity
from mycelium.link.causes import wrong_key
from mycelium.link.handshake_attempts import TIMELY_COPIES
from mycelium.link.handshakes import INITIATOR_PATIENCE_S, Completed
from mycelium.peering import dialler as dialler_module
from mycelium.peering.dialler import Candidate, Dialler, Source
from mycelium.wire.datagram import HANDSHAKE_1
from tests.link.support import HERE, OWN, PEER, HandshakeEnd, exchange

RIGHT, WRONG = PEER.exchange_public_key, OWN.exchange_public_key


class End(HandshakeEnd):
    """One end of handshakes, with a dialler on it."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity)
        self.dialler = Dialler(self.handshakes)

    def dialled(self) -> list[str]:
        """Returns the hosts that first messages were sent to since the last call."""
        return [endpoint.host for endpoint, data in self.take_datagrams() if data[0] == HANDSHAKE_1]

    def expire(self, *, now: float) -> list[str | None]:
        """Lets time pass; returns for which entries of the peer list attempts have failed."""
        self.handshakes.handle_timeout(now=now)
        self.take_datagrams()
        self.dialler.handle_timeout(now=now)
        return [url for url, _ in self.failed()]

    def failed(self) -> list[tuple[str | None, str]]:
        """Returns which entries have failed since the last call, and why."""
        failed = [(candidate.url, cause) for candidate, cause in self.dialler.failed]
        self.dialler.failed.clear()
        return failed


def at(number: int, source: Source = Source.PEER_LIST, *, priority: int = 0) -> Candidate:
    return Candidate(HERE._replace(host=f"192.0.2.{number}"), source, priority=priority)


def complete(ours: End, theirs: End) -> list[Completed]:
    """Carries datagrams both ways until none is left; returns what was completed at our end, which the dialler is told."""
    return exchange(ours, theirs, lambda completed: ours.dialler.completed(completed, now=0.0))[0]


def insist(ours: End, theirs: End) -> None:
    """Has our end send its first messages until it asks for cookies: a responder is silent to those meant for another key."""
    for copy in range(1, TIMELY_COPIES + 1):
        ours.handshakes.handle_timeout(now=float(copy))
        exchange(ours, theirs, lambda completed: None)


@pytest.fixture
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialler_module, "DIALS_PER_SOURCE", 2)
    monkeypatch.setattr(dialler_module, "DIALS_WAITING_PER_SOURCE", 3)


def test_candidates_for_one_endpoint_share_a_handshake() -> None:
    end = End(OWN)
    by_name = Candidate(HERE, Source.PEER_LIST, url="udp://name:9651")
    assert end.dialler.dial(by_name, now=0.0)
    assert not end.dialler.dial(by_name, now=0.0)
    assert not end.dialler.dial(Candidate(HERE, Source.PEER_LIST, url="udp://192.0.2.1:9651"), now=0.0)
    assert not end.dialler.dial(Candidate(HERE, Source.DISCOVERY), now=0.0)
    assert not end.dialler.dial(Candidate(HERE._replace(local=b"1234"), Source.NEIGHBOUR), now=0.0)
    assert end.dialled() == [HERE.host]
    assert HERE in end.dialler.remotes()


def test_a_candidate_with_a_delay_is_dialled_when_it_has_passed_unless_it_is_withdrawn() -> None:
    end = End(OWN)
    later = [structs.replace(at(number), url=f"peer {number}", delay_s=0.25) for number in (1, 2)]
    for candidate in (*later, *later):
        assert not end.dialler.dial(candidate, now=0.0)
    assert end.dialler.next_deadline() == 0.25
    assert later[0].endpoint in end.dialler.remotes()
    end.dialler.forget_entry("peer 2", now=0.1)
    end.dialler.handle_timeout(now=0.24)
    assert end.dialled() == []
    end.dialler.handle_timeout(now=0.25)
    assert end.dialled() == ["192.0.2.1"]
    assert end.dialler.next_deadline() == inf


@pytest.mark.usefixtures("small_shares")
def test_no_more_candidates_wait_for_their_delay_than_may_wait_at_all() -> None:
    end = End(OWN)
    for number in range(1, 6):
        end.dialler.dial(structs.replace(at(number), delay_s=0.25), now=0.0)
    assert end.dialler.counters.dials_refused == 2
    end.dialler.pause()
    assert end.dialler.next_deadline() == inf


def test_an_answer_over_one_medium_ends_the_attempts_of_its_entry_over_worse_ones() -> None:
    end = End(OWN)
    for scheme, url in (("udp", "one"), ("tls", "one"), ("tcp", "one"), ("tls", "other")):
        end.dialler.dial(Candidate(HERE._replace(scheme=scheme), Source.PEER_LIST, url=url), now=0.0)
    end.dialler.dial(Candidate(HERE._replace(scheme="wss"), Source.PEER_LIST, url="one", delay_s=0.25), now=0.0)
    end.dialler.forget_worse("one", HERE._replace(scheme="tcp"), now=0.0)
    assert {endpoint.scheme for endpoint in end.dialler.remotes()} == {"udp", "tcp", "tls"}
    end.dialler.forget_worse("other", HERE, now=0.0)
    assert {endpoint.scheme for endpoint in end.dialler.remotes()} == {"udp", "tcp"}


def test_candidates_of_different_pins_have_handshakes_of_their_own() -> None:
    ours, theirs = End(OWN), End(PEER)
    ours.dialler.dial(Candidate(HERE, Source.PEER_LIST, WRONG, "wrong"), now=0.0)
    ours.dialler.dial(Candidate(HERE, Source.PEER_LIST, RIGHT, "right"), now=0.0)
    [completed] = complete(ours, theirs)
    assert completed.keys.peer_exchange_key == RIGHT
    insist(ours, theirs)
    ours.dialler.handle_timeout(now=5.0)
    assert ours.failed() == [("wrong", wrong_key(RIGHT, WRONG))]
    assert HERE not in ours.dialler.remotes()


def test_a_completed_handshake_ends_all_attempts_that_its_key_satisfies() -> None:
    ours, theirs = End(OWN), End(PEER)
    for pin in (None, RIGHT, WRONG):
        ours.dialler.dial(Candidate(HERE, Source.PEER_LIST, pin, f"{pin!r}"), now=0.0)
    assert len(complete(ours, theirs)) == 1
    insist(ours, theirs)
    assert ours.expire(now=5.0) == [f"{WRONG!r}"]


def test_a_known_neighbour_shares_the_handshake_that_any_key_may_answer() -> None:
    end = End(OWN)
    end.dialler.dial(Candidate(HERE, Source.PEER_LIST), now=0.0)
    assert not end.dialler.dial(Candidate(HERE, Source.NEIGHBOUR, RIGHT), now=0.0)
    assert end.dialled() == [HERE.host]


def test_everybody_who_shared_an_unanswered_handshake_hears_of_it() -> None:
    end = End(OWN)
    end.dialler.dial(Candidate(HERE, Source.PEER_LIST, url="one"), now=0.0)
    end.dialler.dial(Candidate(HERE, Source.PEER_LIST, url="other"), now=3.0)
    assert end.expire(now=INITIATOR_PATIENCE_S - 0.1) == []
    assert end.expire(now=INITIATOR_PATIENCE_S) == ["one", "other"]
    assert HERE not in end.dialler.remotes()


@pytest.mark.usefixtures("small_shares")
def test_a_source_that_has_used_up_its_share_holds_no_other_back() -> None:
    end = End(OWN)
    for number in range(4):
        assert end.dialler.dial(at(number, Source.DISCOVERY), now=0.0)
    assert len(end.dialled()) == 2
    for source in (Source.PEER_LIST, Source.NEIGHBOUR):
        end.dialler.dial(at(100 + source, source), now=0.0)
        assert end.dialled() == [f"192.0.2.{100 + source}"]


@pytest.mark.usefixtures("small_shares")
def test_a_waiting_endpoint_of_one_source_is_dialled_at_once_for_another_whose_share_allows() -> None:
    end = End(OWN)
    for number in range(3):
        end.dialler.dial(at(number, Source.DISCOVERY), now=0.0)
    assert end.dialled() == ["192.0.2.0", "192.0.2.1"]
    end.dialler.dial(at(2, Source.PEER_LIST), now=0.0)
    assert end.dialled() == ["192.0.2.2"]
    assert end.expire(now=INITIATOR_PATIENCE_S) == [None] * 4


@pytest.mark.usefixtures("small_shares")
def test_candidates_wait_for_their_turn_by_priority_and_then_by_arrival() -> None:
    end = End(OWN)
    for number, priority in ((1, 0), (2, 0), (3, 1), (4, 0), (5, 1)):
        end.dialler.dial(at(number, priority=priority), now=0.0)
    assert end.dialled() == ["192.0.2.1", "192.0.2.2"]
    end.handshakes.handle_timeout(now=INITIATOR_PATIENCE_S)
    end.take_datagrams()
    end.dialler.handle_timeout(now=INITIATOR_PATIENCE_S)
    assert end.dialled() == ["192.0.2.4", "192.0.2.3"]


@pytest.mark.usefixtures("small_shares")
def test_candidates_beyond_the_bound_are_refused_and_counted() -> None:
    end = End(OWN)
    assert [end.dialler.dial(at(number), now=0.0) for number in range(7)] == [True] * 5 + [False] * 2
    assert end.dialler.counters.dials_refused == 2
    assert at(6).endpoint not in end.dialler.remotes()


@pytest.mark.usefixtures("small_shares")
def test_an_entry_that_is_removed_makes_room_and_leaves_shared_handshakes_to_the_others() -> None:
    end = End(OWN)
    for host, url in ((1, "stays"), (1, "goes"), (2, "goes"), (3, "goes"), (4, "stays")):
        end.dialler.dial(Candidate(at(host).endpoint, Source.PEER_LIST, url=url), now=0.0)
    assert end.dialled() == ["192.0.2.1", "192.0.2.2"]
    end.dialler.forget_entry("goes", now=0.0)
    assert end.dialled() == ["192.0.2.4"]
    assert end.expire(now=INITIATOR_PATIENCE_S) == ["stays", "stays"]


def test_a_neighbour_that_has_left_is_dialled_for_the_peer_list_only() -> None:
    end = End(OWN)
    end.dialler.dial(at(1, Source.PEER_LIST), now=0.0)
    for number, source in ((1, Source.DISCOVERY), (2, Source.DISCOVERY), (3, Source.NEIGHBOUR), (4, Source.NEIGHBOUR)):
        end.dialler.dial(at(number, source), now=0.0)
    end.dialler.forget_neighbour({at(number).endpoint for number in (1, 2, 3)}, now=0.0)
    assert [at(number).endpoint in end.dialler.remotes() for number in (1, 2, 3, 4)] == [True, False, False, True]


@pytest.mark.usefixtures("small_shares")
def test_handshakes_that_end_leave_their_share_to_the_candidates_that_wait() -> None:
    ours, theirs = End(OWN), End(PEER)
    ours.dialler.dial(Candidate(HERE, Source.DISCOVERY), now=0.0)
    complete(ours, theirs)
    for number in range(4):
        ours.dialler.dial(at(number, Source.DISCOVERY), now=0.0)
    assert ours.dialled() == ["192.0.2.0", "192.0.2.1"]
    ours.expire(now=INITIATOR_PATIENCE_S)
    assert ours.dialled() == ["192.0.2.2", "192.0.2.3"]
    ours.expire(now=2 * INITIATOR_PATIENCE_S)
    assert not ours.dialler._attempts
    assert not ours.dialler._by_index


@pytest.mark.usefixtures("small_shares")
def test_a_completed_handshake_lets_a_waiting_candidate_be_dialled() -> None:
    ours, theirs = End(OWN), End(PEER)
    ours.dialler.dial(Candidate(HERE, Source.PEER_LIST, RIGHT), now=0.0)
    ours.dialler.dial(Candidate(HERE, Source.PEER_LIST, WRONG), now=0.0)
    ours.dialler.dial(at(9), now=0.0)
    for _, message_1 in ours.take_datagrams():
        theirs.receive(message_1)
    for _, message_2 in theirs.take_datagrams():
        done = ours.receive(message_2)
        if done is not None:
            ours.dialler.completed(done, now=0.0)
    assert ours.dialled() == ["192.0.2.9"]


def test_a_candidate_that_is_named_again_while_it_is_dialled_fails_once() -> None:
    end = End(OWN)
    for now in (0.0, 1.0, 2.0):
        end.dialler.dial(Candidate(HERE, Source.PEER_LIST, url="one"), now=now)
    assert end.expire(now=INITIATOR_PATIENCE_S) == ["one"]


def test_a_paused_dialler_neither_dials_nor_answers() -> None:
    ours, theirs = End(OWN), End(PEER)
    ours.dialler.dial(at(1), now=0.0)
    ours.take_datagrams()
    ours.dialler.pause()
    assert ours.dialler.remotes() == set()
    assert not ours.dialler.dial(at(2), now=0.0)
    theirs.dialler.dial(Candidate(HERE, Source.PEER_LIST), now=0.0)
    assert complete(theirs, ours) == []
    assert ours.expire(now=INITIATOR_PATIENCE_S + 1) == []
    ours.dialler.resume()
    assert ours.dialler.dial(at(2), now=10.0)
    assert ours.dialled() == ["192.0.2.2"]
