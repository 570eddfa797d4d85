"""Why a peer has no link: each failure, produced for real on a daemon's host, is told by its own cause."""

import pytest

from tests.lab.daemon import PORT
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

FAILED_SECONDS = 40.0  # more than four attempts take: the journal notes the 1st, the 2nd and the 4th failure
LOGGED = 3  # lines at least that the log does not hold back

FIREWALL = f"""
table inet test {{
    chain out {{ type filter hook output priority 0; udp dport {PORT + 1} drop; }}
}}
"""
REJECTING = f"""
table inet test {{
    chain in {{ type filter hook input priority 0; udp dport {PORT + 2} reject with icmpx admin-prohibited; }}
}}
"""


def causes(mesh: DaemonMesh) -> dict[str, str]:
    """Returns by URL, with the cause that is to be told, peers that a can't reach, for one reason each."""
    cable = mesh.cable("a", "b")
    here, there = cable.end(mesh["a"].host), cable.end(mesh["b"].host)
    network = there.ipv4.rpartition(".")[0]
    nothing = "nothing listens there, or a firewall says so"
    return {
        f"udp://{there.ipv4}:{PORT + 1}": "a firewall of this host forbids it (operation not permitted)",
        f"udp://{there.ipv4}:{PORT + 2}": "a firewall on the way forbids it (ICMP administratively prohibited)",
        f"udp://{there.ipv4}:{PORT + 3}": f"{nothing} (ICMP port unreachable)",
        f"udp://[{there.ipv6}]:{PORT + 3}": f"{nothing} (ICMP port unreachable)",
        f"tcp://{there.ipv4}:{PORT + 3}": "nothing listens there (connection refused)",
        f"udp://{network}.200:{PORT}": "it does not answer in its network (ICMP host unreachable)",
        f"tcp://{network}.200:{PORT}": "this host is told that it can't be reached (no route to host)",
        f"udp://192.0.2.1:{PORT}": "this host has no route to it (network is unreachable)",
        f"tcp://192.0.2.1:{PORT}": "this host has no route to it",
        f"udp://198.51.100.1:{PORT}": "a route of this host discards it (invalid argument)",
        f"udp://198.51.100.2:{PORT}": "a route or a firewall of this host forbids it (permission denied)",
        f"udp://{here.ipv4}:{PORT}": "that is this node",
        f"udp://127.0.0.1:{PORT}": "that is this node",
        f"udp://nobody.test:{PORT}": "the name ",  # is not known, or no name server answers: that depends on the machine
        f"udp://{there.ipv4}:{PORT}#{'ab' * 32}": f"answered with key {mesh['b'].public_key[:4]}…, not the pinned abab…",
    }


def test_each_failure_is_told_by_its_own_cause_in_the_api_the_log_and_the_journal(
    lab: Lab, make_mesh: MakeMesh
) -> None:
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    a.host.apply_rules(FIREWALL)
    b.host.apply_rules(REJECTING)
    for name in ("net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"):
        b.host.sysctl(name, 0)  # several peers at one host would share one error a second
    a.host.name_hosts({"other.test": "192.0.2.1"})
    a.host.ip("route add blackhole 198.51.100.1")
    a.host.ip("route add prohibit 198.51.100.2")
    expected = causes(mesh)
    a.peers = list(expected)
    mesh.start()

    def missed() -> dict[str, list[str]]:
        """Returns what is told of peers whose cause is not the last one in the API, or not yet in the journal."""
        noted = [(event["peer"], event["cause"]) for event in a.events(kind="peer-failed")]
        told = {
            peer["url"]: [peer["lastError"] or "", *(cause for url, cause in noted if url == peer["url"])]
            for peer in a.get("admin/peers")
        }
        return {
            url: told[url]
            for url, cause in expected.items()
            if cause not in told[url][0] or not any(cause in one for one in told[url][1:])
        }

    def logged() -> list[str]:
        return [url for url, cause in expected.items() if f"peer {url}: {cause}" in a.log()]

    wait_until(lambda: not missed(), FAILED_SECONDS, lambda: f"other causes are told: {missed()}")
    wait_until(lambda: len(logged()) >= LOGGED, FAILED_SECONDS, a.log)  # of all at once, the log holds some back
