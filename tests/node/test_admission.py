"""One machine with a thousand keys leaves room for everybody else."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mycelium.limits import LINKS, LINKS_PER_SUBNET, NEW_LINKS_PER_SECOND_AND_SUBNET
from mycelium.link.crowds import PROVEN, Crowds
from mycelium.node.admission import NETWORKS_TOLD, TOLD_AGAIN_S, LinkAdmission
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, is_up


def link_at(host: str) -> Any:
    return SimpleNamespace(paths=SimpleNamespace(active=SimpleNamespace(endpoint=SimpleNamespace(host=host))))


def admitted(
    admission: LinkAdmission, links: list[Any], host: str, *, now: float = 0.0, is_wanted: bool = False
) -> bool:
    cause = admission.refusal(host, links, count=len(links), bound=LINKS, is_wanted=is_wanted, now=now)
    if cause is None:
        links.append(link_at(host))
    return cause is None


def test_one_host_gets_its_share_however_slowly_it_comes() -> None:
    admission, links = LinkAdmission(Journal(now=0.0)), list[Any]()
    got = sum(admitted(admission, links, "192.0.2.1", now=10.0 * number) for number in range(200))
    assert got == LINKS_PER_SUBNET
    assert admitted(admission, links, "192.0.2.2", now=2_000.0)


def test_one_site_gets_four_shares_and_leaves_room() -> None:
    admission, links = LinkAdmission(Journal(now=0.0)), list[Any]()
    got = sum(
        admitted(admission, links, f"2001:db8:0:{number % 250:02x}{number % 7:02x}::1", now=10.0 * number)
        for number in range(1_000)
    )
    assert got == 4 * LINKS_PER_SUBNET
    assert admitted(admission, links, "2001:db8:1::1", now=10_000.0)


class Watched(list[Any]):
    """Links, and how often somebody has looked at all of them."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        self.looks += 1
        return super().__iter__()


def test_links_are_counted_once_a_second_however_many_strangers_come() -> None:
    admission, links = LinkAdmission(Journal(now=0.0)), Watched()
    for number in range(200):
        assert admitted(admission, links, f"2001:db8:{number:x}::1", now=5.0 + number / 100)
    assert links.looks == 2
    links.clear()
    assert all(admitted(admission, links, "2001:db8:1::1", now=8.0) for _ in range(LINKS_PER_SUBNET - 1))
    assert not all(admitted(admission, links, "2001:db8:1::1", now=8.0) for _ in range(2))


def test_one_host_comes_at_a_bounded_rate_after_a_burst() -> None:
    admission = LinkAdmission(Journal(now=0.0))
    links: list[Any] = []  # as if each link ended at once
    got = sum(admitted(admission, [*links], "192.0.2.1", now=number / 50) for number in range(500))
    assert got <= LINKS_PER_SUBNET + 10 * NEW_LINKS_PER_SECOND_AND_SUBNET + 1


def test_whom_this_node_wants_is_not_counted() -> None:
    admission, links = LinkAdmission(Journal(now=0.0)), list[Any]()
    assert all(admitted(admission, links, "192.0.2.1", is_wanted=True) for _ in range(2 * LINKS_PER_SUBNET))
    assert not admitted(admission, [link_at("198.51.100.1")] * LINKS, "192.0.2.1", is_wanted=True)


def test_many_keys_of_one_site_lock_out_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.node.admission.LINKS_PER_SUBNET", 2)
    net = NodeNet()
    for name in ("node", "203.0.113.1", *(f"198.51.100.{number}" for number in range(6))):
        net.add(name)
        if name != "node":
            net.join(name, "node")
    net.run(3)
    linked = [name for name in net.hosts if name != "node" and is_up(net, name, "node")]
    assert "203.0.113.1" in linked
    assert len(linked) == 1 + 4
    assert counter(net, "node", "links_refused") >= 2


def test_the_operator_is_told_once_a_minute_of_a_network_that_wants_too_many() -> None:
    journal = Journal(now=0.0)
    admission, links = LinkAdmission(journal), list[Any]()
    for number in range(3 * LINKS_PER_SUBNET):
        admitted(admission, links, "192.0.2.1", now=number * 1e-3)
    [entry] = journal.after(0)
    assert entry.kind is EventKind.STRANGERS_EXCESSIVE
    assert entry.cause == "too many links come from the network of 192.0.2.1"
    admitted(admission, links, "192.0.2.1", now=TOLD_AGAIN_S + 1.0)
    assert len(journal.after(0)) == 2


def test_crowds_that_never_had_a_link_are_told_of_a_few_a_minute() -> None:
    journal = Journal(now=0.0)
    admission, crowds = LinkAdmission(journal), Crowds()
    for number in range(3 * NETWORKS_TOLD):
        for _ in range(PROVEN):
            crowds.note(f"192.0.{number}.1", is_proven=True, now=1.0)
    admission.tell_crowds(crowds, now=1.0)
    admission.tell_crowds(crowds, now=2.0)
    told = [event for event in journal.after(0) if event.kind is EventKind.STRANGERS_EXCESSIVE]
    assert len(told) == NETWORKS_TOLD
    assert "100 handshakes and more from 192.0.0.0/24 are not answered" in str(told[0].cause)


def test_a_node_tells_of_a_crowd_that_is_stopped_at_its_handshakes() -> None:
    net = NodeNet()
    node = net.add("v").node
    for _ in range(PROVEN):
        node.handshakes.crowds.note("192.0.2.1", is_proven=True, now=net.now)
    net.run(2)
    told = [str(event.cause) for event in node.journal.after(0) if event.kind is EventKind.STRANGERS_EXCESSIVE]
    assert len(told) == 1
    assert "192.0.2.0/24" in told[0]
