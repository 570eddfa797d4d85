"""Meshes over TLS and WebSocket, where a firewall drops UDP: directly, behind a web server, and through proxies."""

import contextlib
import socket
import sys
import time
from pathlib import Path

import pytest

from mycelium.transport.certificate import self_signed
from mycelium.transport.streams.tls import TlsLayer, client_context
from tests.lab import proxy as lab_proxy
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import Pings
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.lab.web_server import start_web_server
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered
from tests.netns.test_tcp import block_udp, schemes

pytestmark = pytest.mark.netns

JOINED_SECONDS = 10.0  # from the start of the process to a live link, on a machine that is busy
PROXY_PROGRAM = lab_proxy.__file__


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    """Three in a line, by TLS and by WebSocket, with a firewall on each cable that drops UDP."""
    made = make_module_mesh(line("a", "b", "c"))
    for cable in made.cables.values():
        block_udp(cable)
    for name, scheme in (("a", "tls"), ("b", "wss")):
        made[name].peers = [url.replace("udp://", f"{scheme}://") for url in made[name].peers]
    made.start()
    made.wait_converged()
    return made


def test_pings_and_a_transfer_both_ways_cross_tls_and_websocket(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    wait_answered(a, c)  # fragments of more than one packet exceed what may wait for a session
    wait_answered(a, c, count=5, size=65_000)
    assert schemes(a, b) == schemes(b, a) == {"tls"}
    assert schemes(b, c) == schemes(c, b) == {"wss"}
    exchange_tcp(a.host, c.host, c.address, 30_000_000, seconds=60)


HELLO = TlsLayer(client_context(), is_server=False, server_name="mesh.example").take_answers()
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HOSTILE = {
    "silence": b"",
    "half a datagram": b"\x04\xd0\x10",
    "half a TLS handshake": HELLO,
    "half a ClientHello": HELLO[:100],
    "a changed ClientHello": HELLO[:50] + bytes(50) + HELLO[100:],
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    "a web browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a silent WebSocket": UPGRADE,
    "an endless frame": UPGRADE + b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4),
    "pings": UPGRADE + (b"\x89\x80" + bytes(4)) * 10_000,
    "another protocol": b"SSH-2.0-OpenSSH_9.2p1\r\n",
}


def test_hostile_clients_cost_neighbours_nothing(mesh: DaemonMesh) -> None:
    """They come from the neighbour's own address; what is not closed at once is when the node has not used it for a while."""
    a, b = mesh["a"], mesh["b"]
    there = mesh.cable("a", "b").end(b.host).ipv4
    before, memory, downs = b.counters(), b.rss_bytes(), b.log().count("link down")
    with contextlib.ExitStack() as opened, Pings(a.host, b.address, interval=0.05) as pings:
        for said in list(HOSTILE.values()) * 15:
            with a.host.entered():
                client = opened.enter_context(socket.create_connection((there, PORT), timeout=PATIENCE_S))
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.send(said)
        result = pings.finish()

        def counted(*names: str) -> int:
            now = b.counters()
            return sum(now[f"tcp_{name}"] - before[f"tcp_{name}"] for name in names)

        wait_until(lambda: counted("accepted", "refused") == 15 * len(HOSTILE), 30, "all were accepted or refused")
        closed = "malformed", "ended", "unused"
        wait_until(lambda: counted(*closed) == counted("accepted"), 60, "all were closed", every_s=0.5)
        assert counted("malformed") > 0
        assert counted("refused") > 0
    assert result.received >= 0.9 * result.sent
    assert b.log().count("link down") == downs
    assert b.rss_bytes() - memory < 30 << 20


# -- behind others' machines -------------------------------------------------------------------------------------------


def seconds_to_join(daemon: LabDaemon, other: LabDaemon) -> float:
    """Starts a daemon; returns the seconds until it has a live link with another."""

    def is_linked() -> bool:
        with contextlib.suppress(OSError):  # its API does not answer yet
            return other.public_key in daemon.alive_peers()
        return False

    begin = time.monotonic()
    daemon.start()
    wait_until(is_linked, 20, f"{daemon.name} has a link")
    return time.monotonic() - begin


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """Writes a new certificate and its key into files."""
    secret, separator, certificate = self_signed().partition(b"-----BEGIN CERTIFICATE-----")
    files = folder / "site.crt", folder / "site.key"
    files[0].write_bytes(separator + certificate)
    files[1].write_bytes(secret)
    return files


def test_a_web_server_passes_the_websocket_of_one_path_on(lab: Lab, tmp_path: Path) -> None:
    """nginx ends TLS at port 443 and serves pages there; the node listens on loopback."""
    hosts = lab.add_hosts(["a", "b"])
    there = lab.add_cable(*hosts).end(hosts[1])
    a, b = LabDaemon(hosts[0], tmp_path), LabDaemon(hosts[1], tmp_path, options=["--listen", f"tcp://127.0.0.1:{PORT}"])
    lab.daemons += [a, b]
    start_web_server(b.host, tmp_path, path="/mesh", node_port=PORT, certificate=certificate_files(tmp_path))
    a.host.name_hosts({"mesh.example": there.ipv4})
    a.peers = ["wss://mesh.example/mesh"]
    b.start()
    b.wait_ready()
    assert seconds_to_join(a, b) < JOINED_SECONDS
    wait_answered(a, b)
    exchange_tcp(a.host, b.host, b.address, 20_000_000, seconds=60)
    assert schemes(a, b) == schemes(b, a) == {"wss"}


def cause_of(daemon: LabDaemon, url: str) -> str:
    """Returns why a peer has no link."""
    return next(peer["lastError"] or "" for peer in daemon.get("admin/peers") if peer["url"] == url)


def test_port_443_through_a_proxy_is_enough(lab: Lab, tmp_path: Path) -> None:
    """Only the proxy knows the peer's name and address, and it connects to no other port."""
    hosts = lab.add_hosts(["a", "p", "b"])
    near, far = lab.add_cable(*hosts[:2]), lab.add_cable(*hosts[1:])
    there = far.end(hosts[2]).ipv4
    proxy = hosts[1]
    proxy.name_hosts({"mesh.example": there})
    proxy.start(sys.executable, PROXY_PROGRAM, "3128", "me:secret")
    certificate, key = certificate_files(tmp_path)
    b = LabDaemon(
        hosts[2], tmp_path, options=["--listen", "tcp://[::]:443", "--tls-certificate", certificate, "--tls-key", key]
    )
    a = LabDaemon(hosts[0], tmp_path)
    lab.daemons += [a, b]
    b.start()
    b.wait_ready()
    wait_until(lambda: proxy.listens(3128), 30, "the proxy listens")
    for kind, scheme in (("http", "tls"), ("socks5", "wss")):
        a.options = ["--proxy", f"{kind}://me:secret@{near.end(proxy).ipv4}:3128"]
        a.peers = [f"tcp://{there}:{PORT}", f"{scheme}://mesh.example:443"]
        assert seconds_to_join(a, b) < JOINED_SECONDS
        wait_answered(a, b)
        exchange_tcp(a.host, b.host, b.address, 10_000_000, seconds=60)
        assert schemes(a, b) == {scheme}
        if kind == "http":
            wait_until(lambda: "the proxy refuses: 403 Forbidden" in cause_of(a, a.peers[0]), 30, "a tells why")
        a.stop()
