"""The journal on the operator's side: wall-clock times, addresses as text, and the log."""

import logging
import re
import socket
import time
from math import inf
from time import monotonic
from typing import Final

import pytest

from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.daemon.events import EventLog, event_infos
from mycelium.daemon.sleep import SleepLog, slept_s
from mycelium.endpoint import Endpoint, Lost
from mycelium.node.data_path import ELSEWHERE
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from sim.net.node_net import NodeNet
from tests.lab.waiting import PATIENCE_S
from tests.support.named_nodes import NOBODY, NamedNodes
from tests.support.small_meshes import ping, ready_line, ready_pair, square

A, B, C = (bytes((4, number)) + bytes(13) + b"\1" for number in range(3))
HERE = Endpoint("udp", "192.0.2.1", 9651)
THERE = Endpoint("udp", "2001:db8::2", 9651)


AWAKE: Final = SleepLog(slept_s())
RESET: Final = "link reset: b has forgotten what it was told, as after a restart or an outage, and is told again"

_SECONDS: Final = re.compile(r"[0-9]+\.[0-9]+ s")


def full_journal() -> Journal:
    """Returns a journal with an entry of each kind."""
    now = monotonic()
    journal = Journal(now=now)
    journal.note(EventKind.LINK_UP, node=A, after=HERE, now=now)
    journal.note(EventKind.LINK_SUSPECT, node=A, silent_s=0.07, now=now)
    journal.note(EventKind.LINK_TRUSTED, node=A, now=now)
    journal.note(EventKind.LINK_RESTARTED, node=A, now=now)
    journal.note(EventKind.LINK_KEYS, node=A, now=now)
    journal.note(EventKind.LINK_MOVED, node=A, before=HERE, after=THERE, now=now)
    journal.note(EventKind.LINK_DOWN, node=A, cause="silent", silent_s=0.205, now=now)
    journal.note(EventKind.LINK_DOWN, node=B, cause="closed", silent_s=0.0, now=now)
    journal.peer_failed("udp://a:9651", "no answer", 1, now=now)
    journal.peer_failed("udp://a:9651", "no answer", 2, now=now)
    journal.note(EventKind.KEY_SHARED, cause="it was started later and keeps the address", now=now)
    journal.note(EventKind.KEY_ALONE, now=now)
    journal.note(EventKind.NEIGHBOUR_KEY_SHARED, node=B, cause="make a new key on one of them", now=now)
    journal.note(EventKind.NEIGHBOUR_EXCESSIVE, node=B, cause="it brings too many nodes", now=now)
    journal.note(EventKind.STRANGERS_EXCESSIVE, cause="too many links come from the network of 192.0.2.9", now=now)
    journal.note(EventKind.SESSION_RENEWED, node=C, now=now)
    journal.note(EventKind.SESSION_REFUSED, node=C, cause="its certificate has expired", now=now)
    journal.note(EventKind.ROUTE_AVOIDED, node=A, after=B, cause=ELSEWHERE, now=now)
    journal.note(EventKind.ROUTE_TRUSTED, node=A, after=B, now=now)
    journal.note(EventKind.NEIGHBOUR_AVOIDED, node=B, count=3, now=now)
    journal.note(EventKind.OUTSIDE, after=HERE, cause="endpoint-independent", now=now)
    journal.note(EventKind.SHORTCUT_OPENED, node=A, now=now)
    journal.note(EventKind.SHORTCUT_FAILED, node=B, cause="no answer", now=now)
    journal.note(EventKind.SHORTCUT_CLOSED, node=A, cause="idle", now=now)
    journal.note(EventKind.AUTO_PEER, node=A, after=HERE, now=now)
    journal.note(EventKind.AUTO_PEER, node=A, after=HERE, cause="slow", now=now)
    journal.note(EventKind.LEASE_GIVEN, node=A, after=B, count=40_001, now=now)
    journal.note(EventKind.LEASE_OVER, node=A, after=B, cause="not renewed", now=now)
    journal.note(EventKind.LEASE_USED, node=A, after=B, now=now)
    journal.note(EventKind.LEASE_NONE, node=A, after=B, cause="it leases no ports", now=now)
    there = Endpoint("udp", "192.0.2.1", 9651)
    journal.note(EventKind.JOINED, node=A, after=there, now=now)
    journal.note(EventKind.JOIN_REFUSED, node=B, after=there, cause="its invitation has expired", now=now)
    journal.note(EventKind.MEMBER_REFUSED, node=B, cause="it was removed", now=now)
    journal.note(EventKind.MORE, node=A, count=7, now=now)
    journal.note(EventKind.MORE, peer="udp://a:9651", count=7, now=now)
    journal.note(EventKind.MORE, count=7, now=now)
    changes = [(now, A, None, B, "better"), (now, A, B, C, "suspected")]
    journal.routes_changed(
        changes, 9, is_in_use=lambda node: False, silent_since=lambda node: now - 0.25 if node == B else inf, now=now
    )
    journal.sweep(now=now)
    journal.routes_changed(
        [(now, C, B, None, "lost")], 10, is_in_use=lambda node: False, silent_since=lambda node: inf, now=now
    )
    journal.sweep(now=now + 2)
    return journal


def test_where_a_peer_was_tried_is_told_unless_its_url_says_it() -> None:
    journal = Journal(now=0.0)
    there = Endpoint("udp", "fe80::1", 9651, socket.if_nametoindex("lo"))
    for url, tried in (("udp://[fe80::1%lo]:9651#" + "ab" * 32, there), ("udp://a:9651", HERE), ("udp://a:9651", None)):
        journal.peer_failed(url, "no answer", 1, endpoint=tried, now=1.0)
    told = [(info.endpoint, describe(info)) for info in event_infos(journal, 0, AWAKE, NOBODY)]
    assert [endpoint for endpoint, _ in told] == [None, str(HERE), None]
    assert told[1][1] == f"peer udp://a:9651 at {HERE}: no answer"


def test_every_kind_has_words() -> None:
    infos = event_infos(full_journal(), 0, AWAKE, NOBODY)
    assert [describe(info) for info in infos] == [
        "link up: 400::1 answers at udp://192.0.2.1:9651",
        "link suspect: 400::1 has not answered for 0.07 s",
        "link trusted again: 400::1 answers",
        "link reset: 400::1 has forgotten what it was told, as after a restart or an outage, and is told again",
        "link keys renewed with 400::1",
        "link moved: 400::1 is reached at udp://[2001:db8::2]:9651, no longer at udp://192.0.2.1:9651",
        "link down: 400::1 has not answered for 0.20 s",
        "link down: 401::1 has closed the link",
        "peer udp://a:9651: no answer",
        "peer udp://a:9651: no answer, 2 times in a row",
        "another host runs with this node's key: it was started later and keeps the address",
        "the other host with this node's key is gone",
        "two hosts run with the key of 401::1: make a new key on one of them",
        "401::1 asks too much of this node: it brings too many nodes",
        "strangers ask too much of this node: too many links come from the network of 192.0.2.9",
        "session renewed: new end-to-end keys with 402::1",
        "keys of a session with 402::1 are not used: its certificate has expired",
        "400::1 does not answer what is sent to it over 401::1: it answers over another neighbour, which is used from now on",
        "400::1 answers again what is sent to it over 401::1",
        "401::1 seems to drop what it should forward: 3 nodes beyond it, the most, do not answer; other ways come first",
        "neighbours see this node at udp://192.0.2.1:9651 (NAT mapping: endpoint-independent)",
        "shortcut opened: packets to and from 400::1 pass no relay any more",
        "no shortcut to 401::1, whose packets still pass relays: no answer",
        "shortcut to 400::1 closed: idle",
        "automatic peer: 400::1 at udp://192.0.2.1:9651",
        "automatic peer: 400::1 at udp://192.0.2.1:9651 given up: slow",
        "lease given: the kernel passes on between 400::1 and 401::1 what they send to port 40001",
        "lease over: of 400::1 and 401::1: not renewed",
        "link with 400::1 across a leased port of 401::1, whose kernel passes packets on",
        "no lease of a port of 401::1 for a link with 400::1: it leases no ports",
        "400::1 joins by an invitation, from udp://192.0.2.1:9651",
        "401::1 can't join, from udp://192.0.2.1:9651: its invitation has expired",
        "401::1 is not let in: it was removed",
        "events: 7 more about 400::1, not listed one by one",
        "events: 7 more about udp://a:9651, not listed one by one",
        "events: 7 more, not listed one by one",
        "route to 400::1 found, via 401::1",
        "route to 400::1 now leads via 402::1, not via 401::1: the link to 401::1 seemed cut; 0.250 s without a working route",
        "routes: 7 more, not listed one by one",
        "route to 402::1 lost, it led via 401::1: the link to 401::1 went down; 2.000 s without a working route so far",
    ]
    assert {info.kind for info in infos} == {kind.value for kind in EventKind}
    assert all(abs(info.time - time.time()) < PATIENCE_S for info in infos)
    assert describe(EventInfo(sequence=1, time=0.0, kind="of a newer daemon")) == "of a newer daemon"


def test_the_log_has_links_as_information_routes_as_details_and_failures_as_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(now=monotonic())
    log = EventLog(journal, NOBODY)
    with caplog.at_level(logging.DEBUG, "mycelium"):
        journal.note(EventKind.LINK_UP, node=A, after=HERE, now=monotonic())
        log.write_new()
        journal.peer_failed("udp://a:9651", "the name is not known", 1, now=monotonic())
        now = monotonic()
        journal.routes_changed(
            [(now, A, None, B, "better")], 1, is_in_use=lambda node: True, silent_since=lambda node: inf, now=now
        )
        log.write_new()
        log.write_new()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "link up: 400::1 answers at udp://192.0.2.1:9651"),
        ("WARNING", "peer udp://a:9651: the name is not known"),
        ("DEBUG", "route to 400::1 found, via 401::1"),
    ]


def test_what_happened_before_a_sleep_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = [100.0]
    monkeypatch.setattr("mycelium.daemon.events.slept_s", lambda: slept[0])
    journal, sleeps = Journal(now=monotonic()), SleepLog(100.0)
    journal.note(EventKind.LINK_UP, node=A, after=HERE, now=monotonic())
    sleeps.note(journal.newest, 100.0)
    [before] = event_infos(journal, 0, sleeps, NOBODY)
    slept[0] += 8 * 3600.0
    journal.note(EventKind.LINK_TRUSTED, node=A, now=monotonic())
    sleeps.note(journal.newest, slept[0])
    earlier, later = event_infos(journal, 0, sleeps, NOBODY)
    assert later.time - earlier.time == pytest.approx(8 * 3600, abs=PATIENCE_S)
    assert later.time == pytest.approx(before.time, abs=PATIENCE_S), "this test's clock did not sleep"


# -- situations --------------------------------------------------------------------------------------------------------


def told(net: NodeNet, name: str, after: int = 0) -> list[str]:
    """Returns what a host's journal tells, but new keys, with names in place of addresses; its times never fall."""
    node = net.hosts[name].node
    node.note_route_changes(now=net.now)
    infos = event_infos(node.journal, after, AWAKE, NOBODY)
    assert [info.time for info in infos] == sorted(info.time for info in infos)
    lines = [describe(info) for info in infos]
    for other in net.hosts.values():
        lines = [line.replace(other.address_text, other.name) for line in lines]
    return [_SECONDS.sub("N s", line) for line in lines if not line.startswith("link keys renewed")]


def begin(net: NodeNet) -> int:
    """Returns the number of the newest entry of a's journal, once all that happened is in it."""
    net.hosts["a"].node.note_route_changes(now=net.now)
    return net.hosts["a"].node.journal.newest


def run(net: NodeNet, seconds: float) -> None:
    """Lets time pass, with traffic from a to b, and has route changes noted as soon as the daemon's driver would."""
    end = net.now + seconds
    while net.now < end:
        if "b" in net.hosts:
            ping(net, "a", "b")
        net.run(0.005)
        for host in net.hosts.values():
            host.node.note_route_changes(now=net.now)


def test_a_new_neighbour_that_falls_silent_and_comes_back() -> None:
    net = ready_pair()
    begun = ["link up: b answers at udp://b:9651", "route to b found, directly"]
    assert told(net, "a") == begun
    since = begin(net)
    net.cut("a", "b")
    run(net, 3)
    lost = [
        "link suspect: b has not answered for N s",
        "link down: b has not answered for N s",
        "route to b lost, it led directly: the link to it seemed cut; N s without a working route so far",
    ]
    assert told(net, "a", since) == lost
    net.mend("a", "b")
    run(net, 15)
    assert told(net, "a", since) == [
        *lost,
        "link up: b answers at udp://b:9651",
        RESET,
        "route to b is back, directly as before, after N s without a working route: the link to it seemed cut",
    ]


def test_a_neighbour_that_was_suspected_for_a_moment() -> None:
    net = ready_pair()
    since = begin(net)
    net.cut("a", "b")
    run(net, 0.18)
    net.mend("a", "b")
    run(net, 3)
    assert told(net, "a", since) == [
        "link suspect: b has not answered for N s",
        "link trusted again: b answers",
        "route to b is back, directly as before, after N s without a working route: the link to it seemed cut",
    ]


def test_a_route_that_takes_another_way_and_returns() -> None:
    net = square()
    since = begin(net)
    net.cut("a", "b")
    run(net, 3)
    assert told(net, "a", since)[:2] == [
        "link suspect: b has not answered for N s",
        "route to b now leads via d, not directly: the link to it seemed cut; N s without a working route",
    ]
    since = begin(net)
    net.mend("a", "b")
    run(net, 30)
    assert told(net, "a", since) == [
        "link up: b answers at udp://b:9651",
        RESET,
        "route to b now leads directly, not via d: the new way is shorter",
    ]


def test_a_route_that_a_neighbour_withdraws() -> None:
    net = ready_line("abc")
    since = begin(net)
    net.cut("b", "c")
    for _ in range(30):
        ping(net, "a", "c")
        run(net, 0.1)
    assert told(net, "a", since) == [
        "route to c lost, it led via b: b had no route there any more; N s without a working route so far"
    ]


def test_a_neighbour_that_says_goodbye() -> None:
    net = ready_pair()
    since, b = begin(net), net.hosts["b"].address_text
    net.close("b")
    run(net, 3)
    assert [line.replace(b, "b") for line in told(net, "a", since)] == [
        "link down: b has closed the link",
        "route to b lost, it led directly: the link to it went down; N s without a working route so far",
    ]


def test_a_neighbour_that_restarts() -> None:
    net = ready_pair()
    since = begin(net)
    net.restart("b")
    run(net, 8)
    assert told(net, "a", since) == [
        "link suspect: b has not answered for N s",
        "link down: b has not answered for N s",
        "link up: b answers at udp://b:9651",
        RESET,
        "route to b is back, directly as before, after N s without a working route: the link to it seemed cut",
    ]


def test_a_pulled_cable() -> None:
    net = ready_pair(pktinfo=True)
    since = begin(net)
    net.cut("a", "b")
    node = net.hosts["a"].node
    node.host_lost(Lost(frozenset((b"a",)), cause="eth0 lost its carrier"), now=net.now)
    net.drain("a")
    run(net, 3)
    assert told(net, "a", since) == [
        "link suspect: b: eth0 lost its carrier",
        "link down: b: eth0 lost its carrier",
        "route to b lost, it led directly: the link to it seemed cut; N s without a working route so far",
    ]


def test_nodes_are_told_by_their_names_and_the_log_has_the_fields_of_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mycelium")
    journal, names = Journal(now=0.0), NamedNodes({A: "berlin", B: "hub"})
    log = EventLog(journal, names)
    journal.note(EventKind.LINK_DOWN, node=A, cause="silent", silent_s=0.2, now=1.0)
    journal.routes_changed(
        [(1.0, A, B, C, "better")], 1, is_in_use=lambda node: False, silent_since=lambda node: inf, now=1.0
    )
    log.write_new()
    assert caplog.messages == [
        "link down: berlin has not answered for 0.20 s",
        "route to berlin now leads via 402::1, not via hub: the new way is shorter",
    ]
    down = {"event": "link-down", "node": "400::1", "cause": "silent", "silentS": 0.2, "names": {"400::1": "berlin"}}
    assert vars(caplog.records[0])["event"] == down
    [_, route] = event_infos(journal, 0, AWAKE, names)
    assert (route.before, route.names) == ("401::1", {"400::1": "berlin", "401::1": "hub"})
