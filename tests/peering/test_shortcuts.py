"""Shortcuts: what one end does for whatever the other one says, and how often."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.limits import CALLS_AT_ONCE, SHORTCUT_ATTEMPTS, SHORTCUT_DATAGRAMS_PER_SECOND, SIGNAL_CANDIDATES
from mycelium.node.node import Node
from mycelium.peering.dialler import SHORTCUT_DATAGRAMS
from mycelium.peering.shortcut_use import IDLE, UNUSED
from mycelium.peering.shortcuts import NO_ANSWER, ShortcutFailed, ShortcutOpened, Shortcuts
from mycelium.policy.base import DefaultPolicy
from mycelium.session.session import Session
from mycelium.wire.signal import Signal, SignalKind, decode_signal, encode_signal
from sim.net.node_net import NodeNet
from tests.support.examples import examples
from tests.support.small_meshes import deliver, link_of, ready_line
from tests.wire.test_signal import SIGNALS

TOKEN = b"tokentok"
GOOD = Endpoint("udp", "192.0.2.1", 9651)


class FakeMesh:
    """A mesh in which one relay leads to every peer; it keeps what is sent and closed."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.signals: list[Signal] = []
        self.closed: list[str] = []
        self.hop: bytes | None = b"r" * 16

    def key_of(self, peer: bytes) -> bytes | None:
        return Identity(bytes(32)).exchange_public_key

    def next_hop(self, peer: bytes) -> bytes | None:
        return self.hop

    def is_kept(self, peer: bytes) -> bool:
        return False

    def send_signal(self, session: Session, content: bytes, *, now: float) -> None:
        signal = decode_signal(content)
        assert signal is not None
        self.signals.append(signal)

    def expect_directly(self, peer: bytes, *, wait_s: float, now: float) -> None: ...

    def close(self, peer: bytes, cause: str, *, now: float) -> None:
        self.closed.append(cause)


class Bench:
    """The shortcuts of node a in a line, with a session with c; signals go nowhere."""

    def __init__(self, *, policy: DefaultPolicy | None = None) -> None:
        self.net: NodeNet = ready_line("abc")
        self.node = self.net.hosts["a"].node
        self.peer = self.net.hosts["c"].address
        deliver(self.net, "a", "c")
        deliver(self.net, "c", "a")
        self.session = self.node.sessions.by_peer[self.peer]
        self.mesh = FakeMesh(self.node)
        self.shortcuts = Shortcuts(
            self.node.identity.address,
            self.mesh,
            outside=self.node.outside,
            dialler=self.node.dialler,
            links=self.node.links,
            sessions=self.node.sessions,
            policy=policy or DefaultPolicy(),
            entropy=lambda count: TOKEN[:count],
            now=self.net.now,
        )

    def hear(self, kind: SignalKind, *candidates: Endpoint, round_: int = 1, session: Session | None = None) -> None:
        """Hands over a signal of the peer."""
        signal = Signal(kind=kind, round=round_, token=TOKEN, candidates=candidates)
        body = memoryview(encode_signal(signal))
        self.shortcuts.receive(session or self.session, body, now=self.net.now)

    def dialled(self) -> set[Endpoint]:
        """Returns the remote endpoints that are being dialled."""
        return self.node.dialler.remotes() - {one.endpoint for one in self.net.hosts.values()}

    def look(self) -> None:
        """Has it look at traffic."""
        self.shortcuts.start(now=self.net.now)
        self.shortcuts.handle_timeout(now=self.net.now)


def test_traffic_over_a_relay_makes_it_call() -> None:
    bench = Bench()
    bench.look()
    (call,) = bench.mesh.signals
    assert (call.kind, call.round, call.token) == (SignalKind.CALL, 1, TOKEN)
    assert call.neighbours == (bench.net.hosts["b"].address,)


@pytest.mark.parametrize("why", ["direct", "no route", "denied"])
def test_it_does_not_call_without_a_reason_or_permission(why: str) -> None:
    class Denies(DefaultPolicy):
        def allows_neighbour(self, node: bytes) -> bool:
            return why != "denied"

    bench = Bench(policy=Denies())
    if why == "direct":
        bench.mesh.hop = bench.peer
    elif why == "no route":
        bench.mesh.hop = None
    bench.look()
    assert bench.mesh.signals == []


def test_a_node_without_sessions_need_not_wake_up() -> None:
    bench = Bench()
    bench.shortcuts.start(now=bench.net.now)
    assert bench.shortcuts.next_deadline() == bench.net.now
    bench.node.sessions.by_peer.clear()
    assert bench.shortcuts.next_deadline() == inf


def test_a_call_is_answered_and_its_start_has_all_addresses_dialled() -> None:
    bench = Bench()
    bench.hear(SignalKind.CALL, GOOD, GOOD._replace(port=5))
    assert [one.kind for one in bench.mesh.signals] == [SignalKind.ANSWER]
    assert bench.dialled() == set()
    bench.hear(SignalKind.START)
    assert bench.dialled() == {GOOD, GOOD._replace(port=5)}
    assert bench.shortcuts.counters.shortcuts_answered == 1


@pytest.mark.parametrize("is_lower", [True, False])
def test_of_two_calls_at_once_that_of_the_lower_address_counts(is_lower: bool) -> None:
    bench = Bench()
    bench.shortcuts._own_address = bytes(16) if is_lower else b"\xff" * 16
    bench.look()
    bench.hear(SignalKind.CALL, GOOD)
    sent = [one.kind for one in bench.mesh.signals]
    assert sent == [SignalKind.CALL] if is_lower else [SignalKind.CALL, SignalKind.ANSWER]
    bench.hear(SignalKind.ANSWER, GOOD)
    assert (bench.mesh.signals[-1].kind is SignalKind.START) is is_lower
    assert len(bench.shortcuts._attempts) == 1


def test_calls_without_an_answer_end_with_the_cause_and_a_rest() -> None:
    bench = Bench()
    bench.look()
    start = bench.net.now
    while not bench.shortcuts.news:
        bench.net.run(0.1)
        bench.shortcuts.handle_timeout(now=bench.net.now)
    assert bench.shortcuts.news == [ShortcutFailed(bench.peer, NO_ANSWER, ())]
    assert bench.net.now - start < 8
    bench.mesh.signals.clear()
    for _ in range(5):
        deliver(bench.net, "a", "c")
    bench.look()
    assert bench.mesh.signals == []
    bench.shortcuts.network_changed()
    bench.look()
    assert [one.kind for one in bench.mesh.signals] == [SignalKind.CALL]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "400::1", "fe80::1", "::"]
)
def test_addresses_that_no_peer_can_have_are_not_dialled(host: str) -> None:
    bench = Bench()
    bench.hear(SignalKind.CALL, Endpoint("udp", host, 9651), GOOD._replace(port=0))
    bench.hear(SignalKind.START)
    assert bench.dialled() == set()
    assert bench.shortcuts.counters.shortcut_addresses_refused == 2


def test_a_peer_that_calls_for_ever_has_few_datagrams_sent() -> None:
    bench = Bench()
    sent = 0
    start = bench.net.now
    for number in range(600):
        candidates = [Endpoint("udp", "192.0.2.1", 1 + 8 * number + each) for each in range(SIGNAL_CANDIDATES)]
        before = len(bench.node.outbox.transmits)
        bench.hear(SignalKind.CALL, *candidates, round_=number % 256)
        bench.hear(SignalKind.START, round_=number % 256)
        sent += len(bench.node.outbox.transmits) - before
        bench.net.run(0.05)
        bench.node.outbox.clear()
    seconds = bench.net.now - start
    most_dials = SIGNAL_CANDIDATES * (CALLS_AT_ONCE + seconds + 1)
    assert 0 < sent <= most_dials
    assert bench.shortcuts.counters.calls_refused > 500


def test_all_peers_together_have_few_datagrams_sent() -> None:
    bench = Bench()
    for number in range(SHORTCUT_ATTEMPTS + 10):
        session = bench.node.sessions.find(number.to_bytes(16, "big"), now=bench.net.now)
        candidates = [Endpoint("udp", "192.0.2.1", 1 + 8 * number + each) for each in range(SIGNAL_CANDIDATES)]
        bench.hear(SignalKind.CALL, *candidates, session=session)
        bench.hear(SignalKind.START, session=session)
    assert len(bench.dialled()) <= SHORTCUT_DATAGRAMS_PER_SECOND // SHORTCUT_DATAGRAMS
    assert bench.shortcuts.counters.shortcut_dials_refused > 0
    assert bench.shortcuts.counters.calls_refused == 10
    first = bench.node.sessions.find(bytes(16), now=bench.net.now)
    bench.hear(SignalKind.CALL, GOOD, round_=2, session=first)  # the next round of an attempt takes no further room
    assert bench.shortcuts.counters.calls_refused == 10


def test_a_peer_that_names_no_possible_address_is_told_apart_from_one_that_cannot_be_reached() -> None:
    bench = Bench()
    causes = []
    for candidates in ((Endpoint("udp", "127.0.0.1", 9651),), (GOOD,)):
        bench.hear(SignalKind.CALL, *candidates)
        bench.hear(SignalKind.START)
        while not bench.shortcuts.news:
            bench.net.run(0.1)
            bench.shortcuts.handle_timeout(now=bench.net.now)
        failed = bench.shortcuts.news.pop()
        assert isinstance(failed, ShortcutFailed)
        causes.append(failed.cause)
    assert causes[0] == "it knows of no address at which it could be reached"
    assert causes[1].startswith("no datagram got through directly (NAT mapping here: unknown, there: unknown)")


def test_a_call_of_a_neighbour_is_not_answered() -> None:
    bench = Bench()
    relay = bench.node.sessions.find(bench.net.hosts["b"].address, now=bench.net.now)
    bench.hear(SignalKind.CALL, GOOD, session=relay)
    assert bench.mesh.signals == []
    assert bench.shortcuts.counters.calls_refused == 1


def test_an_idle_shortcut_is_closed_and_one_whose_link_has_ended_is_forgotten() -> None:
    bench = Bench()
    neighbour = bench.net.hosts["b"].address
    bench.mesh.hop = neighbour
    for peer in (neighbour, b"n" * 16):
        bench.shortcuts.adopt(peer, now=bench.net.now)
    bench.shortcuts.start(now=bench.net.now)
    bench.shortcuts.handle_timeout(now=bench.net.now)
    assert list(bench.shortcuts.peers) == [neighbour]
    assert bench.mesh.closed == []
    bench.shortcuts.handle_timeout(now=bench.net.now + 100)  # the look that sees what its link has carried so far
    bench.shortcuts.handle_timeout(now=bench.net.now + 200)
    assert bench.mesh.closed == [IDLE]
    assert list(bench.shortcuts.peers) == []
    assert bench.shortcuts.counters.shortcuts_closed == 1


def test_signals_that_nobody_waits_for_do_nothing() -> None:
    bench = Bench()
    bench.hear(SignalKind.START, GOOD)
    bench.hear(SignalKind.ANSWER, GOOD)
    bench.shortcuts.receive(bench.session, memoryview(b"nonsense"), now=bench.net.now)
    assert bench.mesh.signals == []
    assert bench.dialled() == set()
    assert bench.shortcuts.counters.signals_refused == 1


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(st.integers(0, 3), SIGNALS, st.floats(0, 3)), max_size=12))
def test_any_signals_of_any_peers_leave_the_bounds_in_place(told: list[tuple[int, Signal, float]]) -> None:
    bench = Bench()
    bench.look()
    begin = now = bench.net.now
    for number, signal, wait_s in told:
        session = bench.session if number == 0 else bench.node.sessions.find(bytes([number]) * 16, now=now)
        attempt = bench.shortcuts._attempts.get(session.peer)
        fitting = structs.replace(signal, token=TOKEN if attempt is None else attempt.token, round=signal.round % 3)
        bench.shortcuts.receive(session, memoryview(encode_signal(fitting)), now=now)
        now += wait_s
        bench.shortcuts.handle_timeout(now=now)
        assert len(bench.dialled()) * SHORTCUT_DATAGRAMS <= SHORTCUT_DATAGRAMS_PER_SECOND * (now - begin + 1)
        assert bench.shortcuts.next_deadline() > now
    for _ in range(100):
        now += 0.5
        bench.shortcuts.handle_timeout(now=now)
    assert set(bench.shortcuts._attempts) <= {bench.peer}


def test_a_peer_that_may_be_no_neighbour_gets_no_answer() -> None:
    class Denies(DefaultPolicy):
        def allows_neighbour(self, node: bytes) -> bool:
            return False

    bench = Bench(policy=Denies())
    bench.hear(SignalKind.CALL, GOOD)
    assert bench.mesh.signals == []
    assert bench.shortcuts.counters.signals_refused == 1


def link_to_peer(bench: Bench) -> None:
    """Lends the peer a link that is up."""
    bench.node.links[bench.peer] = link_of(bench.net, "a", "b")


def test_a_link_that_comes_of_dialling_opens_a_shortcut_which_is_closed_once_another_way_is_shorter() -> None:
    bench = Bench()
    bench.hear(SignalKind.CALL, GOOD)
    bench.hear(SignalKind.START)
    link_to_peer(bench)
    bench.shortcuts.handle_timeout(now=bench.net.now)
    assert bench.shortcuts.news == [ShortcutOpened(bench.peer)]
    assert (list(bench.shortcuts.peers), bench.dialled()) == ([bench.peer], set())
    bench.look()
    for seconds in (100, 200):  # the first look sees what its link has carried so far
        for _ in range(5):
            deliver(bench.net, "a", "c")
        bench.shortcuts.handle_timeout(now=bench.net.now + seconds)
    assert bench.mesh.closed == [UNUSED]
    del bench.node.links[bench.peer]
    for _ in range(5):
        deliver(bench.net, "a", "c")
    bench.shortcuts.handle_timeout(now=bench.net.now + 201)
    assert bench.mesh.signals[1:] == [], "it would be opened again at once"


def test_a_link_that_comes_up_while_the_peer_is_called_is_no_shortcut_of_ours() -> None:
    bench = Bench()
    bench.look()
    link_to_peer(bench)
    bench.shortcuts.handle_timeout(now=bench.net.now)
    assert (bench.shortcuts.news, list(bench.shortcuts.peers), bench.shortcuts._attempts) == ([], [], {})


def test_a_peer_whose_session_has_ended_is_told_nothing_more() -> None:
    bench = Bench()
    bench.look()
    bench.node.sessions.by_peer.clear()
    for seconds in range(1, 20):
        bench.shortcuts.handle_timeout(now=bench.net.now + seconds)
    assert len(bench.mesh.signals) == 1
    assert bench.shortcuts.news == [ShortcutFailed(bench.peer, NO_ANSWER, ())]


def test_rests_are_kept_of_a_bounded_number_of_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.peering.shortcuts.SHORTCUT_PEERS", 2)
    bench = Bench()
    for number in range(3):
        session = bench.node.sessions.find(bytes([number]) * 16, now=bench.net.now)
        bench.hear(SignalKind.CALL, GOOD, session=session)
        for seconds in range(30):
            bench.shortcuts.handle_timeout(now=bench.net.now + seconds)
    assert list(bench.shortcuts._rests) == [b"\1" * 16, b"\2" * 16]
