"""What may keep a node from working, found in what its host and its daemon tell: rules only, no I/O."""

import time
from enum import StrEnum
from typing import Final

from msgspec import Struct

from mycelium.admin.control import PeerInfo, StatusInfo
from mycelium.admin.diagnosis import KnockInfo, LinkInfo
from mycelium.admin.firewall import Obstacle
from mycelium.limits import DATAGRAM_FLOOR
from mycelium.link.causes import NO_ANSWER
from mycelium.quantity import quantity

LOSS_NOTED: Final = 0.05  # share of what a link loses
PEERS_NAMED: Final = 5  # of those without a link
NO_MEMBER: Final = "not now: "  # before why a node is no member, in what the daemon tells of its membership
_MAPPED: Final = " at the router "  # in what the daemon tells of a mapped port
OTHER_VERSION: Final = " of the protocol, this node version "  # in what `link.causes` says of a peer
_ADMITTED_AGAIN: Final = "if the clock is right, have it admitted again; who was removed needs a new key for that"
RELEASED: Final = 1_790_000_000  # Unix seconds: no host has an earlier time when it runs this


class Level(StrEnum):
    """How bad a finding is, least first."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """One line of the doctor; `remedy` is the one thing to do."""

    check: str
    level: Level
    text: str
    remedy: str = ""


class HostFacts(Struct, frozen=True, kw_only=True):
    """What the host tells; texts say what is wrong, None that nothing is, or that it does not matter to a running daemon."""

    time_s: float  # Unix seconds
    is_clock_synchronised: bool | None = None  # None: the system does not say
    ipv6_off: str | None = None  # the sysctl that turns it off
    overlay_source: str | None = None  # address that packets into the overlay would come from
    no_overlay_route: str | None = None
    software: str = ""  # versions of what a daemon runs on
    version: str = ""  # of this command
    obstacles: list[Obstacle] | None = None  # rules that keep others from the node's port; None: they can't be read
    device_trouble: str | None = None  # of these, only what a daemon that is to be started would meet
    lacks_rights: bool = False
    port_trouble: str | None = None
    file_troubles: list[str] = []  # files of the settings that it could not use


class NodeFacts(Struct, frozen=True):
    """What a running daemon tells."""

    status: StatusInfo
    peers: list[PeerInfo]
    links: list[LinkInfo]
    knocks: list[KnockInfo] = []  # of neighbours that were asked for one, as only the doctor does


def examine(host: HostFacts, node: NodeFacts | str) -> list[Finding]:
    """Returns a finding for each check; `node` says why there is none if no daemon answers."""
    if isinstance(node, str):
        return [*_of_host(host), *_before_a_start(host, node)]
    route = [_route(host, node.status)] if node.status.tun else []
    return [*_of_host(host), _versions(host, node.status), *route, *_of_daemon(node), *_firewall(host, node)]


def troubles(node: NodeFacts) -> list[Finding]:
    """Returns what is not as it should be by what the daemon alone tells, the worst first."""
    found = [finding for finding in _of_daemon(node) if finding.level is not Level.OK]
    return sorted(found, key=lambda finding: -list(Level).index(finding.level))


def worst(findings: list[Finding]) -> Level:
    """Returns the worst level of all."""
    return max((finding.level for finding in findings), key=list(Level).index)


def _of_host(host: HostFacts) -> list[Finding]:
    ipv6 = Finding("ipv6", Level.OK, "switched on")
    if host.ipv6_off is not None:
        ipv6 = Finding(
            "ipv6", Level.FAIL, f"switched off by {host.ipv6_off}", f"switch it on: sysctl -w {host.ipv6_off}=0"
        )
    return [ipv6, _clock(host)]


def _versions(host: HostFacts, status: StatusInfo) -> Finding:
    if host.version != status.version:
        text = f"the daemon is mycelium {status.version}, this command {host.version}"
        return Finding("version", Level.WARN, text, "restart the daemon, or remove the other installation")
    return Finding("version", Level.OK, f"mycelium {status.version}, {host.software}")


def _firewall(host: HostFacts, node: NodeFacts) -> list[Finding]:
    """Tells which rules keep others from the port; one that may is no matter where somebody has dialled this node."""
    if host.obstacles is None:
        return []
    found = [one for one in host.obstacles if one.is_certain or not _inbound(node)]
    if not found:
        return [
            Finding("firewall", Level.OK, "no rule of nftables names the port of this node and keeps others from it")
        ]
    remedy = "let UDP to that port pass, or others can't dial this node"
    return [Finding("firewall", Level.FAIL if one.is_certain else Level.WARN, one.text, remedy) for one in found]


def _clock(host: HostFacts) -> Finding:
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(host.time_s))
    if host.time_s < RELEASED:
        return Finding(
            "clock", Level.FAIL, f"it shows {shown}", "set it: others may take this node for an older start of it"
        )
    if host.is_clock_synchronised is False:
        return Finding(
            "clock", Level.WARN, f"{shown}, not kept by a time server", "have it kept: timedatectl set-ntp true"
        )
    return Finding("clock", Level.OK, shown)


# -- a daemon that is to be started ------------------------------------------------------------------------------------


def _before_a_start(host: HostFacts, reason: str) -> list[Finding]:
    found = [Finding("daemon", Level.FAIL, reason, "start it: 'mycelium', or 'mycelium service install'")]
    causes = (
        (
            "device",
            host.device_trouble,
            "make it: modprobe tun; for a container --device /dev/net/tun; or use --no-tun",
        ),
        (
            "rights",
            "no CAP_NET_ADMIN" if host.lacks_rights else None,
            "run it as root, as a service ('mycelium service install'), or with --no-tun",
        ),
        ("port", host.port_trouble, "stop the other program, or choose another port with --listen"),
        (
            "files",
            "; ".join(host.file_troubles) or None,
            "name the right files, and run this as the user that starts the daemon",
        ),
    )
    return found + [
        Finding(check, Level.OK, "nothing is in the way of a start")
        if trouble is None
        else Finding(check, Level.FAIL, trouble, remedy)
        for check, trouble, remedy in causes
    ]


# -- a running daemon --------------------------------------------------------------------------------------------------


def _of_daemon(node: NodeFacts) -> list[Finding]:
    status = node.status
    found = [Finding("daemon", Level.OK, f"mycelium {status.version} runs as {status.node_ip}")]
    if status.key_shared:
        found.append(Finding("key", Level.FAIL, status.key_shared, "give one of the two hosts a key of its own"))
    if status.member and status.member.startswith(NO_MEMBER):
        text = f"this node is no member of its network now: {status.member.removeprefix(NO_MEMBER)}"
        found.append(Finding("member", Level.FAIL, text, _ADMITTED_AGAIN))
    return [*found, _interface(status), *_peers(node), _reachability(node), *_links(node.links)]


def _interface(status: StatusInfo) -> Finding:
    if status.tun_fault:
        return Finding(
            "device", Level.FAIL, status.tun_fault, "find out what else changes it; the daemon's log says more"
        )
    return Finding("device", Level.OK, status.tun or "none: this node only passes on what others send")


def _route(host: HostFacts, status: StatusInfo) -> Finding:
    remedy = "see what leads elsewhere: ip -6 route get 400::1"
    if host.no_overlay_route is not None:
        return Finding("route", Level.FAIL, f"400::/7 can't be reached from this host: {host.no_overlay_route}", remedy)
    if host.overlay_source != status.node_ip:
        text = f"400::/7 does not lead into {status.tun}: packets would come from {host.overlay_source}"
        return Finding("route", Level.FAIL, text, remedy)
    return Finding("route", Level.OK, f"400::/7 leads into {status.tun}")


def _peers(node: NodeFacts) -> list[Finding]:
    alive = [peer for peer in node.peers if peer.connection_state == "alive"]
    wanted = [peer for peer in node.peers if peer.origin in ("static", "list")]
    missing = [peer for peer in wanted if peer.connection_state != "alive"]
    if not alive and not wanted:
        return [
            Finding("peers", Level.WARN, "no peers, so nobody is reached", "name one: mycelium peers add HOST:9651")
        ]
    level = Level.WARN if alive else Level.FAIL
    named = [_missing(peer, level) for peer in missing[:PEERS_NAMED]]
    if len(missing) > PEERS_NAMED:
        named.append(Finding("peer", level, f"{len(missing) - PEERS_NAMED} more without a link", "mycelium peers list"))
    counted = f"{quantity(len(alive), 'peer')} with a link, {len(missing)} of the peer list without"
    return [Finding("peers", Level.OK if alive else Level.FAIL, counted, "" if alive else "see each below"), *named]


def _missing(peer: PeerInfo, level: Level) -> Finding:
    cause = peer.last_error or "being dialled"
    if NO_ANSWER in cause:
        remedy = "see that it runs, and that firewalls let UDP to and from its port pass"
    elif OTHER_VERSION in cause:
        remedy = "bring the older of the two up to date"
    elif "pinned" in cause:
        remedy = "compare the pin with what 'mycelium inspect' shows there"
    else:
        remedy = "see what was tried: mycelium events" if peer.last_error else "ask again in some seconds"
    return Finding("peer", level, f"{peer.url or peer.endpoint.socket_addr}: {cause}", remedy)


def _reachability(node: NodeFacts) -> Finding:
    """Tells whether others can dial this node: by those that have, by knocks, else by what kind of NAT neighbours see."""
    inbound = _inbound(node)
    arrived = sorted({one.ip_version for one in node.knocks if one.arrived})
    if arrived:
        versions = " and ".join(f"IPv{version}" for version in arrived)
        return Finding("reach", Level.OK, f"a neighbour has reached this node from another port, over {versions}")
    seen = ", ".join(node.status.seen_at) or "nowhere"
    if inbound:
        return Finding("reach", Level.OK, f"{quantity(inbound, 'neighbour')} dialled this node")
    if _MAPPED in node.status.port_mapping:
        return Finding("reach", Level.OK, f"others can dial {node.status.port_mapping}")
    if node.status.nat_mapping == "endpoint-dependent":
        return Finding(
            "reach",
            Level.WARN,
            f"a NAT in front of this host gives each destination another port (seen at {seen})",
            "map UDP port 9651 at the router, or some direct ways will pass a relay",
        )
    if node.knocks:
        return Finding(
            "reach",
            Level.WARN,
            f"of {quantity(len(node.knocks), 'neighbour')} asked to, none could reach this node from another port:"
            f" a NAT or firewall lets only answers in (seen at {seen})",
            "let UDP to the port of this node in there, or who dials it needs others to introduce it",
        )
    if node.status.nat_mapping == "endpoint-independent":
        return Finding("reach", Level.OK, f"others can reach this node directly, at {seen}")
    return Finding("reach", Level.OK, f"seen at {seen}; whether others can dial it is not known yet")


def _inbound(node: NodeFacts) -> int:
    """Returns how many neighbours have dialled this node."""
    return sum(peer.origin == "inbound" and peer.connection_state == "alive" for peer in node.peers)


def _links(links: list[LinkInfo]) -> list[Finding]:
    up = [link for link in links if link.state != "down"]
    narrow = [link for link in up if link.paths[0].mtu < DATAGRAM_FLOOR]
    lossy = [link for link in up if (link.loss or 0) > LOSS_NOTED]
    found = [
        Finding(
            "mtu",
            Level.WARN,
            f"only {link.paths[0].mtu} bytes fit a datagram to {link.paths[0].endpoint}",
            "see the MTU of the interfaces and tunnels on the way: 1280 and more is usual",
        )
        for link in narrow[:PEERS_NAMED]
    ]
    found += [
        Finding(
            "loss",
            Level.WARN,
            f"{link.loss:.1%} of what is sent to {link.paths[0].endpoint} is lost",
            "see the cable or radio",
        )
        for link in lossy[:PEERS_NAMED]
    ]
    if up and not narrow:
        found.append(Finding("mtu", Level.OK, f"{min(link.paths[0].mtu for link in up)} bytes and more"))
    if up and not lossy:
        found.append(Finding("loss", Level.OK, f"below {LOSS_NOTED:.0%} on each link"))
    return found
