import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.api.client import ApiClient
from mycelium.cli.main import main
from mycelium.errors import ApiError
from tests.api.support import ADDRESS, FIRST_PEER, KEY, FakeNode
from tests.cli.support import served

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture(params=["unix", "tcp"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path, node: FakeNode) -> Iterator[str]:
    """The API address of a running daemon."""
    address = ApiAddress.parse(f"unix:{tmp_path}/api.sock" if request.param == "unix" else "127.0.0.1:0")
    with served(node, address) as actual:
        yield str(actual)


def test_peers_are_listed_as_a_table(daemon: str, capsys: Capture) -> None:
    assert main(["peers", "list", "--api-addr", daemon]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["Peer", "Type", "State", "Address", "RTT", "Loss", "Sent", "Received", "Known", "for"]
    assert line.split() == [FIRST_PEER, *f"static alive {ADDRESS} 1.25 ms 1.0% 1.46 KiB 2.86 MiB 1m30s".split()]


def test_peers_are_listed_as_json_with_the_apis_names(daemon: str, capsys: Capture) -> None:
    assert main(["peers", "--api-addr", daemon, "list", "--json"]) == 0
    (peer,) = json.loads(capsys.readouterr().out)
    assert peer["endpoint"] == {"proto": "udp", "addr": "198.51.100.7:9651"}
    assert peer["connectionState"] == "alive"


def test_peers_are_added_and_removed(daemon: str, node: FakeNode, capsys: Capture) -> None:
    pinned = f"udp://[2001:db8::1]:7#{KEY}"
    assert main(["peers", "add", "--api-addr", daemon, "udp://a", pinned]) == 0
    assert node.urls == [FIRST_PEER, "udp://a:9651", pinned]
    assert main(["--api-addr", daemon, "peers", "remove", pinned, FIRST_PEER, "--json"]) == 0
    assert node.urls == ["udp://a:9651"]
    assert json.loads(capsys.readouterr().out) == {"removed": [pinned, FIRST_PEER]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", FIRST_PEER], f"mycelium: {FIRST_PEER} is a peer already\n"),
        (["remove", "udp://b:1"], "mycelium: udp://b:1 is no peer\n"),
        (["add", "b:1"], "mycelium: 'b:1' is no usable URL: it has no scheme, as in udp://host:9651\n"),
    ],
)
def test_what_the_daemon_refuses_is_told_in_its_words(
    daemon: str, capsys: Capture, arguments: list[str], told: str
) -> None:
    assert main(["peers", *arguments, "--api-addr", daemon]) == 1
    assert capsys.readouterr().err == told


def test_routes_are_listed(daemon: str, capsys: Capture) -> None:
    assert main(["routes", "selected", "--api-addr", daemon]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["5c3:943d:3d21:1d4b::/64", FIRST_PEER, "63", "7"], ["400:1::/64", "-", "infinite", "1"]]
    assert main(["routes", "fallback", "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_status_tells_what_is_not_zero(daemon: str, capsys: Capture) -> None:
    assert main(["status", "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert "Running for: 1h02m" in printed
    assert "Peers:       1 of 2 alive" in printed
    assert "replayed" in printed
    assert "undecodable" not in printed
    assert main(["status", "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out)["counters"] == {"replayed": 3, "undecodable": 0}


def test_the_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    addresses = [ApiAddress.parse(f"unix:{tmp_path}/{name}") for name in ("flag", "environment", "file")]
    (home / ".config/mycelium").mkdir(parents=True)
    (home / ".config/mycelium/mycelium.toml").write_text(f'api_addr = "{addresses[2]}"')

    def asked(*flags: str) -> str:
        assert main([*flags, "status"]) == 1
        return capsys.readouterr().err

    assert f"{addresses[2]}: is the daemon" in asked()
    monkeypatch.setenv("MYCELIUM_API_ADDR", str(addresses[1]))
    assert f"{addresses[1]}: is the daemon" in asked()
    assert f"{addresses[0]}: is the daemon" in asked("--api-addr", str(addresses[0]))


def test_a_token_is_sent_where_one_is_set(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("correct-horse-battery\n")
    with served(node, ApiAddress("127.0.0.1", 0), token="correct-horse-battery") as address:
        assert main(["status", "--api-addr", str(address)]) == 1
        assert capsys.readouterr().err == "mycelium: this call needs the API token\n"
        assert main(["status", "--api-addr", str(address), "--api-token-file", str(tmp_path / "token")]) == 0


@pytest.mark.parametrize("address", ["unix:{}/none.sock", "127.0.0.1:1"])
def test_without_a_daemon_the_user_is_asked_whether_it_runs(tmp_path: Path, capsys: Capture, address: str) -> None:
    address = address.format(tmp_path)
    assert main(["peers", "list", "--api-addr", address]) == 1
    assert capsys.readouterr().err == f"mycelium: no mycelium is listening at {address}: is the daemon running?\n"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no mycelium"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "speaks another API"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd", "speaks another API"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "speaks another API"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", "answered 503 Busy"),
    ],
)
def test_whatever_else_answers_is_told_apart(tmp_path: Path, answer: bytes, told: str) -> None:
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ApiError, match=told):
            ApiClient(ApiAddress.parse(f"unix:{path}")).status()
        thread.join()


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_daemon_that_hangs_is_given_up(tmp_path: Path, family: socket.AddressFamily) -> None:
    is_unix = family is socket.AF_UNIX
    with socket.socket(family) as listener:
        listener.bind(f"{tmp_path}/hung.sock" if is_unix else ("127.0.0.1", 0))
        listener.listen()
        name = listener.getsockname()
        address = ApiAddress("", 0, name) if is_unix else ApiAddress(*name)
        with pytest.raises(ApiError, match="did not answer within"):
            ApiClient(address, timeout_s=0.05).status()
