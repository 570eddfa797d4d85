"""The counters of sessions: a handshake that succeeds counts as nothing, one that is forged as refused."""

from dataclasses import asdict

from mycelium.wire.train import SESSION_REQUEST_BYTES
from tests.support.small_meshes import ready_pair


def test_only_what_is_dropped_is_counted() -> None:
    net = ready_pair()
    a, b = net.hosts["a"], net.hosts["b"]
    assert set(asdict(a.node.sessions.counters).values()) == {0}
    forged = memoryview(bytes(SESSION_REQUEST_BYTES))
    a.node.sessions.receive_request(b.address, 1 | 3 << 32, forged, neighbour=b.address, now=net.now)
    assert a.node.sessions.counters.sessions_refused == 1
