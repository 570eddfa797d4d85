"""What the doctor finds in what host and daemon tell: each trouble has its line, with what to do."""

from typing import Any

import pytest
from msgspec.structs import replace

from mycelium.admin.checkup import RELEASED, Finding, HostFacts, Level, NodeFacts, examine, troubles, worst
from mycelium.admin.diagnosis import KnockInfo
from mycelium.admin.firewall import Obstacle
from mycelium.link.causes import NO_ANSWER, other_version, wrong_key
from tests.api.fake_diagnosis import FakeDiagnosis
from tests.api.support import ADDRESS, FakeNode

VERSION = FakeNode().status().version
WELL = HostFacts(
    time_s=RELEASED + 1.0,
    is_clock_synchronised=True,
    overlay_source=ADDRESS,
    software="Python 3",
    version=VERSION,
    obstacles=[],
)


def facts(**status: Any) -> NodeFacts:
    """Returns what a healthy daemon tells but for some fields of its status."""
    node = FakeNode()
    return NodeFacts(replace(node.status(), **status), node.peers(), FakeDiagnosis().links())


def with_peer(**fields: Any) -> NodeFacts:
    well = facts()
    return NodeFacts(well.status, [replace(well.peers[0], **fields)], well.links)


def with_knocks(*arrived: bool, **peer: Any) -> NodeFacts:
    """Returns what a node tells that no neighbour has dialled."""
    node = with_peer(**{"origin": "static", **peer})
    return replace(
        node, knocks=[KnockInfo(node=ADDRESS, ip_version=4 + 2 * (n % 2), arrived=one) for n, one in enumerate(arrived)]
    )


def with_link(*, mtu: int = 1_452, **fields: Any) -> NodeFacts:
    well = facts()
    [link] = well.links
    return NodeFacts(well.status, well.peers, [replace(link, paths=[replace(link.paths[0], mtu=mtu)], **fields)])


def line(found: list[Finding], check: str) -> Finding:
    [finding] = [one for one in found if one.check == check]
    return finding


def test_a_healthy_node_has_nothing_but_ok() -> None:
    found = examine(WELL, facts())
    assert [one for one in found if one.level is not Level.OK or one.remedy] == []
    assert worst(found) is Level.OK
    assert {"daemon", "version", "device", "route", "ipv6", "clock", "peers", "reach", "firewall", "mtu", "loss"} == {
        one.check for one in found
    }


@pytest.mark.parametrize(
    ("host", "check", "level", "told", "remedy"),
    [
        (
            {"version": "0.0.1"},
            "version",
            Level.WARN,
            f"the daemon is mycelium {VERSION}, this command 0.0.1",
            "restart",
        ),
        ({"obstacles": [Obstacle("x drops it", is_certain=True)]}, "firewall", Level.FAIL, "x drops it", "let UDP"),
        ({"obstacles": [Obstacle("x may", is_certain=False)]}, "firewall", Level.WARN, "x may", "let UDP"),
        ({"time_s": 0.0}, "clock", Level.FAIL, "1970-01-01", "set it"),
        ({"is_clock_synchronised": False}, "clock", Level.WARN, "not kept by a time server", "timedatectl"),
        (
            {"ipv6_off": "net.ipv6.conf.all.disable_ipv6"},
            "ipv6",
            Level.FAIL,
            "switched off",
            "sysctl -w net.ipv6.conf.all.disable_ipv6=0",
        ),
        (
            {"overlay_source": "2001:db8::1"},
            "route",
            Level.FAIL,
            "packets would come from 2001:db8::1",
            "ip -6 route get",
        ),
        (
            {"overlay_source": None, "no_overlay_route": "Network is unreachable"},
            "route",
            Level.FAIL,
            "unreachable",
            "ip",
        ),
    ],
)
def test_what_is_wrong_with_the_host_is_told(
    host: dict[str, Any], check: str, level: Level, told: str, remedy: str
) -> None:
    found = examine(replace(WELL, **host), facts())
    assert worst(found) is level
    finding = line(found, check)
    assert (finding.level, told in finding.text, remedy in finding.remedy) == (level, True, True), finding


@pytest.mark.parametrize(
    ("node", "check", "level", "told"),
    [
        (facts(tun_fault="the TUN device is down"), "device", Level.FAIL, "is down"),
        (facts(key_shared="another host has the key"), "key", Level.FAIL, "another host"),
        (facts(nat_mapping="endpoint-dependent"), "reach", Level.WARN, "another port"),
        (
            with_peer(connection_state="dead", last_error=f"udp://a: {NO_ANSWER}"),
            "peer",
            Level.FAIL,
            "no answer (nothing is there",
        ),
        (
            with_peer(connection_state="dead", last_error=wrong_key(b"a" * 32, b"b" * 32)),
            "peer",
            Level.FAIL,
            "pinned",
        ),
        (with_peer(connection_state="connecting"), "peer", Level.FAIL, "being dialled"),
        (NodeFacts(facts().status, [], []), "peers", Level.WARN, "no peers, so nobody"),
        (with_peer(connection_state="dead"), "peers", Level.FAIL, "0 peers with a link, 1 of the peer list without"),
        (
            facts(member="not now: it was removed"),
            "member",
            Level.FAIL,
            "no member of its network now: it was removed",
        ),
        (with_knocks(False, False), "reach", Level.WARN, "of 2 neighbours asked to, none"),
        (with_link(mtu=1_000), "mtu", Level.WARN, "only 1000 bytes"),
        (with_link(loss=0.2), "loss", Level.WARN, "20.0%"),
    ],
)
def test_what_is_wrong_with_the_node_is_told(node: NodeFacts, check: str, level: Level, told: str) -> None:
    found = examine(WELL, node)
    assert worst(found) is level
    finding = line(found, check)
    assert (finding.level, told in finding.text, bool(finding.remedy)) == (level, True, True), finding


def test_a_missing_peer_beside_one_with_a_link_is_a_warning_and_many_are_counted() -> None:
    well = facts()
    missing = [
        replace(well.peers[0], url=f"udp://10.0.0.{number}:1", connection_state="dead", last_error="no route")
        for number in range(9)
    ]
    found = examine(WELL, NodeFacts(well.status, [*well.peers, *missing], well.links))
    named = [one for one in found if one.check == "peer"]
    assert worst(found) is Level.WARN
    assert len(named) == 6
    assert named[-1].text == "4 more without a link"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"nat_mapping": "endpoint-independent"}, "others can reach this node directly"),
        ({"nat_mapping": "unknown", "seen_at": []}, "seen at nowhere"),
        (
            {"port_mapping": "203.0.113.7:9651, by PCP at the router 10.0.0.1"},
            "others can dial 203.0.113.7:9651, by PCP",
        ),
    ],
)
def test_how_others_reach_this_node_is_told(fields: dict[str, Any], told: str) -> None:
    assert told in line(examine(WELL, facts(**fields)), "reach").text


def test_a_node_that_was_dialled_can_be_reached() -> None:
    found = examine(WELL, with_peer(origin="inbound"))
    assert line(found, "reach").text == "1 neighbour dialled this node"


def test_a_relay_without_an_interface_needs_no_route() -> None:
    found = examine(replace(WELL, overlay_source=None, no_overlay_route="unreachable"), facts(tun=None))
    assert worst(found) is Level.OK
    assert "only passes on" in line(found, "device").text


@pytest.mark.parametrize(
    ("host", "check"),
    [
        ({"device_trouble": "/dev/net/tun: No such file or directory"}, "device"),
        ({"lacks_rights": True}, "rights"),
        ({"port_trouble": "UDP port 9651: Address already in use"}, "port"),
        ({"file_troubles": ["--key-file: bad key file"]}, "files"),
    ],
)
def test_without_a_daemon_what_a_start_would_meet_is_told(host: dict[str, Any], check: str) -> None:
    found = examine(replace(WELL, **host), "no daemon is listening at 127.0.0.1:8989")
    assert [one.check for one in found if one.level is Level.FAIL] == ["daemon", check]
    assert "mycelium service install" in line(found, "daemon").remedy


def test_what_the_daemon_alone_tells_is_sorted_by_the_worst() -> None:
    assert troubles(facts()) == []
    bad = facts(nat_mapping="endpoint-dependent", tun_fault="the TUN device is down")
    assert [(one.check, one.level) for one in troubles(bad)] == [("device", Level.FAIL), ("reach", Level.WARN)]


def test_a_rule_that_may_keep_others_out_is_no_matter_where_somebody_came_in() -> None:
    host = replace(WELL, obstacles=[Obstacle("x may", is_certain=False)])
    assert line(examine(host, with_peer(origin="inbound")), "firewall").level is Level.OK
    assert "firewall" not in {one.check for one in examine(replace(WELL, obstacles=None), facts())}


def test_a_peer_of_another_version_is_to_be_brought_up_to_date() -> None:
    found = examine(WELL, with_peer(connection_state="dead", last_error=other_version(9)))
    assert line(found, "peer").remedy == "bring the older of the two up to date"


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (with_knocks(True, True), "from another port, over IPv4 and IPv6"),
        (with_knocks(False, True), "from another port, over IPv6"),
        (with_knocks(False, origin="inbound"), "1 neighbour dialled this node"),
    ],
)
def test_a_node_that_somebody_could_reach_unasked_can_be_dialled(node: NodeFacts, told: str) -> None:
    finding = line(examine(WELL, node), "reach")
    assert (finding.level, told in finding.text) == (Level.OK, True), finding
