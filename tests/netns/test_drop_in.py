"""Real daemons, started and asked as the Rust implementation is."""

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.api.test_rust_shapes import SHAPES, Peer, Route, as_read_there
from tests.lab.daemon import PROGRAM
from tests.lab.mesh import line
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

RPC_PORT: Final = 8_990
CONFIGURATION: Final = f"""
tcp_listen_port = "9651"
quic_listen_port = "9651"
peer_discovery_interfaces = []
disable_quic = false
update_workers = 1
enable_dns = false
jsonrpc_addr = "127.0.0.1:{RPC_PORT}"
"""
COMMANDS: Final = (
    "peers list",
    "peers add tcp://192.0.2.9:9651",
    "peers remove tcp://192.0.2.9:9651",
    "routes selected",
    "routes fallback",
    "routes queried",
    "stats packets",
    "proxy list",
)


def test_what_is_made_for_the_rust_implementation_works_with_a_mesh_of_ours(
    make_mesh: MakeMesh, tmp_path: Path
) -> None:
    mesh = make_mesh(line("a", "b", "c"))
    a, b = mesh["a"], mesh["b"]
    (tmp_path / "mycelium.toml").write_text(CONFIGURATION)
    a.options += ["-c", str(tmp_path / "mycelium.toml")]
    b.options += ["-t", "9651", "-q", "9651", "--update-workers", "1"]
    mesh.start()
    mesh.wait_converged()

    for path in SHAPES:
        answer = a.get(path.removeprefix("/").replace("5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113", b.address))
        msgspec.convert(answer, SHAPES[path], dec_hook=as_read_there)
    for command in COMMANDS:
        a.host.run(PROGRAM, "--api-addr", f"unix:{a.api_socket}", *command.split())

    with a.host.entered():
        assert rpc("getPublicKeyFromIp", b.address) == b.public_key
        peers = msgspec.convert(rpc("getPeers"), list[Peer])
        routes = msgspec.convert(rpc("getSelectedRoutes"), list[Route], dec_hook=as_read_there)
    assert [peer.connection_state for peer in peers] == ["alive"]
    assert {str(route.subnet) for route in routes} == {mesh[name].subnet for name in "bc"}


def rpc(method: str, *params: str) -> Any:
    """Returns the result of a call by JSON-RPC; to be called inside the host's namespace."""
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    with closing(http.client.HTTPConnection("127.0.0.1", RPC_PORT, timeout=10)) as connection:
        connection.request("POST", "/", asked, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["result"]
