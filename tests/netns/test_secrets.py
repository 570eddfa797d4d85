"""No secret of a node is in what it tells: not in its log with all details, its list of processes, nor an answer of its API."""

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mycelium.admin.join_uri import JoinUri
from mycelium.admin.private_file import create_network_key
from mycelium.api.client import UnixConnection
from tests.lab.daemon import LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.netns

SECONDS = 30.0
SECRET_BYTES = 32
KEEPS_OPEN = ("/capture", "/stream")  # a capture tells keys, to the owner alone; streams have what other calls have


def forms(secret: bytes) -> list[bytes]:
    """Returns a secret as it might be written."""
    coded = [one(secret).rstrip(b"=") for one in (base64.b64encode, base64.urlsafe_b64encode)]
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *coded]


def answers(daemon: LabDaemon) -> Iterator[tuple[str, bytes]]:
    """Yields each path that can be asked for without a parameter, with its answer."""
    paths = json.loads(fetch(daemon, "GET", "/openapi.json"))["paths"]
    for path, methods in paths.items():
        if "get" in methods and "{" not in path and not any(word in path for word in KEEPS_OPEN):
            yield path, fetch(daemon, "GET", path)


def fetch(daemon: LabDaemon, method: str, path: str, body: bytes | None = None) -> bytes:
    with closing(UnixConnection(str(daemon.api_socket), timeout_s=SECONDS)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == http.client.OK, (path, answer.status)
        return answer.read()


def test_no_key_and_no_token_is_told(lab: Lab, tmp_path: Path) -> None:
    [host] = lab.add_hosts(["a"])
    network = tmp_path / "network.key"
    create_network_key(network)
    proxy = ("--proxy", "socks5://ann:swordfish@127.0.0.1:9", "--peers", "tls://192.0.2.1:443")
    lists = "https://ann:swordfish@192.0.2.1/peers"
    config = tmp_path / "config.toml"
    config.write_text(
        f'network_key_file = "{network}"\nnetwork_name = "corp"\nproxy = "{proxy[1]}"\npeers = ["{proxy[3]}", "{lists}"]\n'
    )
    daemon = LabDaemon(host, tmp_path, options=["--no-tun", "--config-file", config])
    lab.daemons.append(daemon)
    daemon.start()
    daemon.wait_ready()
    wait_until(lambda: "peer list" in daemon.log(), SECONDS, "the list could not be read, and that is logged")
    invited = fetch(daemon, "POST", "/api/v1/admin/invitations", json.dumps({"at": ["192.0.2.9"]}).encode())
    token = JoinUri.parse(Path(json.loads(invited)["file"]).read_text()).token
    keys = [file.read_bytes()[-SECRET_BYTES:] for file in (daemon.key_file, network)]
    told = dict(answers(daemon)) | {"invitations": invited, "log": daemon.log().encode()}
    told |= {"processes": Path(f"/proc/{daemon.pid}/cmdline").read_bytes()}
    assert {"/api/v1/admin/status", "/api/v1/admin/peers", "/metrics"} <= told.keys()
    secrets = [b"swordfish", *(form for one in (*keys, token) for form in forms(one))]
    assert [path for path, answer in told.items() for one in secrets if one in answer] == []
