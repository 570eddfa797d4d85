"""One or two daemons and their operator: keys, pins, names, mistakes, start and stop."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from mycelium.identity import FINGERPRINT_BYTES
from tests.lab.daemon import PORT, PROGRAM, START_SECONDS, STOP_SECONDS, TUN
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered, wait_told

pytestmark = pytest.mark.netns

ATTEMPTS_APART_SECONDS = 25.0
LOST_SECONDS = 30.0
LINKED_SECONDS = 5.5  # less than a handshake that nobody answers takes


@pytest.fixture
def pair(make_mesh: MakeMesh) -> DaemonMesh:
    """Two joined hosts whose daemons are not started; `a` dials."""
    return make_mesh(line("a", "b"))


def peer_url(mesh: DaemonMesh) -> str:
    return f"udp://{mesh.cable('a', 'b').end(mesh['b'].host).ipv4}:{PORT}"


def reaches(mesh: DaemonMesh, one: str = "a", other: str = "b") -> bool:
    return ping(mesh[one].host, mesh[other].address, wait=1).received == 1


def assert_strangers(mesh: DaemonMesh) -> None:
    """Waits until one of them has refused what the other sent, and then for a second attempt; sees that no link came up."""
    a, b = mesh["a"], mesh["b"]
    wait_until(
        lambda: a.counters()["handshakes_refused"] + b.counters()["handshakes_without_mac"],
        30,
        "a handshake is refused",
    )
    tried = a.counters()["udp_sent_batches"]
    wait_until(lambda: a.counters()["udp_sent_batches"] >= tried + 2, 30, "a goes on trying")
    assert mesh["a"].alive_peers() == mesh["b"].alive_peers() == set()
    assert not reaches(mesh)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_daemon_leaves_nothing(pair: DaemonMesh, sign: signal.Signals) -> None:
    daemon = pair["b"]
    pair.start()
    pair.wait_converged()
    assert daemon.host.has_interface(TUN)
    since = pair["a"].newest_event()
    assert daemon.stop(sign) == 0
    assert not daemon.host.has_interface(TUN)
    assert not daemon.api_socket.exists()
    wait_told(pair["a"], "link-down", since, node=daemon.address, cause="closed")
    pair.start(["b"])
    pair.wait_converged()


def test_a_killed_daemon_leaves_no_device_and_can_start_again(pair: DaemonMesh) -> None:
    pair.start()
    pair.wait_converged()
    pair["b"].kill()
    assert not pair["b"].host.has_interface(TUN)
    pair.start(["b"])
    wait_until(lambda: reaches(pair), 20, "the neighbour reaches it again")


def test_a_relay_needs_no_device(lab: Lab, make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b", "c"))
    mesh["b"].options.append("--no-tun")
    mesh["b"].has_tun = False
    mesh.start()
    mesh.wait_converged()
    assert not mesh["b"].host.has_interface(TUN)
    wait_answered(mesh["a"], mesh["c"])
    refusal = f"From {mesh['b'].address} icmp_seq=1 Destination unreachable: Address unreachable"

    def is_refused() -> bool:
        return refusal in mesh["a"].host.run("ping", "-c", "1", "-W", "2", mesh["b"].address, check=False).stdout

    wait_until(is_refused, LOST_SECONDS, "b answers that it has no device")


def test_nodes_with_the_same_network_key_meet(pair: DaemonMesh, tmp_path: Path) -> None:
    key = tmp_path / "shared"
    pair["a"].host.run(PROGRAM, "generate-network-key", key)
    for daemon in pair.daemons.values():
        daemon.options += ["--network-key-file", str(key), "--network-name", "home"]
    pair.start()
    pair.wait_converged()
    wait_answered(pair["a"], pair["b"])


@pytest.mark.parametrize(("theirs", "name"), [(None, ""), (8, "home"), (7, "away")], ids=["none", "another", "name"])
def test_nodes_of_different_networks_stay_strangers(
    pair: DaemonMesh, tmp_path: Path, theirs: int | None, name: str
) -> None:
    pair["a"].options += ["--network-key-file", str(network_key(tmp_path / "ours", 7)), "--network-name", "home"]
    if theirs is not None:
        pair["b"].options += [
            "--network-key-file",
            str(network_key(tmp_path / "theirs", theirs)),
            "--network-name",
            name,
        ]
    pair.start()
    assert_strangers(pair)


def network_key(path: Path, value: int) -> Path:
    path.write_bytes(bytes((value,)) * 32)
    path.chmod(0o600)
    return path


def test_a_pinned_key_is_met(pair: DaemonMesh) -> None:
    pair["a"].peers = [f"{peer_url(pair)}#{pair['b'].public_key}"]
    pair.start()
    pair.wait_converged()


def test_another_key_than_the_pinned_one_is_refused(pair: DaemonMesh) -> None:
    pair["a"].peers = [f"{peer_url(pair)}#{pair['a'].public_key[::-1]}"]
    pair.start()
    assert_strangers(pair)


def test_a_wrongly_pinned_entry_holds_up_no_right_one_for_the_same_address(pair: DaemonMesh) -> None:
    wrong, right = (f"{peer_url(pair)}#{pair[key].public_key}" for key in "ab")
    pair["a"].peers = [wrong]
    pair.start()
    keys = f"answered with key {pair['b'].public_key[:4]}…, not the pinned {pair['a'].public_key[:4]}…"
    wait_until(lambda: f"peer {wrong}: {keys}" in pair["a"].log(), LINKED_SECONDS, "the operator is told at once")
    pair["a"].cli("peers", "add", right)
    wait_until(
        lambda: pair["a"].alive_peers() == {pair["b"].public_key}, LINKED_SECONDS, "the right entry has its link"
    )
    wait_answered(pair["a"], pair["b"])
    shown = {peer["url"]: peer for peer in pair["a"].get("admin/peers")}
    assert (shown[right]["connectionState"], shown[right]["lastError"]) == ("alive", None)
    assert shown[wrong]["connectionState"] != "alive"
    assert shown[wrong]["lastError"].startswith(f"{peer_url(pair)}: {keys}")
    assert 0 <= shown[wrong]["nextAttemptS"] <= ATTEMPTS_APART_SECONDS


def test_a_peer_may_be_given_by_name(pair: DaemonMesh) -> None:
    pair["a"].host.name_hosts({"b.test": pair.cable("a", "b").end(pair["b"].host).ipv6})
    pair["a"].peers = [f"udp://b.test:{PORT}"]
    pair.start()
    pair.wait_converged()
    wait_answered(pair["a"], pair["b"])


def test_a_name_that_is_not_known_yet_is_tried_again(pair: DaemonMesh) -> None:
    pair["a"].host.name_hosts({"other.test": "10.0.1.9"})
    pair["a"].peers = [f"udp://b.test:{PORT}"]
    pair.start()
    wait_until(lambda: "b.test" in pair["a"].log(), 20, "the operator is told")
    pair["a"].host.name_hosts({"b.test": pair.cable("a", "b").end(pair["b"].host).ipv4})
    pair.wait_converged(40)


def test_peers_come_and_go_by_command(pair: DaemonMesh) -> None:
    [url], pair["a"].peers = pair["a"].peers, []
    pair.start()
    assert pair["a"].cli("peers", "list") == []
    pair["a"].cli("peers", "add", url)
    pair.wait_converged()
    again = pair["a"].host.run(PROGRAM, "peers", "add", url, *api(pair), check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("mycelium: ")
    pair["a"].cli("peers", "remove", url)
    wait_until(lambda: not pair["a"].alive_peers() | pair["b"].alive_peers(), 20, "both ends drop the link")


def test_daemons_run_where_pytun_and_uvloop_can_not_be_installed(
    pair: DaemonMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("pytun", "uvloop"):
        (tmp_path / f"{library}.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    pair.start()
    pair.wait_converged()
    wait_answered(pair["a"], pair["b"])
    assert "uvloop" not in Path(f"/proc/{pair['a'].pid}/maps").read_text()
    for daemon in pair.daemons.values():
        assert daemon.stop() == 0
        assert not daemon.host.has_interface(TUN)


def api(mesh: DaemonMesh) -> tuple[str, str]:
    return ("--api-addr", f"unix:{mesh['a'].api_socket}")


def test_the_api_listens_on_loopback_too(pair: DaemonMesh) -> None:
    daemon = pair["a"]
    words = daemon.arguments()
    words[words.index("--api-addr") + 1] = "127.0.0.1:8989"
    process = daemon.host.start(*words, stderr=subprocess.PIPE)
    command = (PROGRAM, "status", "--json", "--api-addr", "127.0.0.1:8989")
    answer = wait_until(lambda: daemon.host.run(*command, check=False).stdout, START_SECONDS, "the API answers")
    assert json.loads(answer)["nodeIp"] == daemon.address
    process.terminate()
    assert process.wait(STOP_SECONDS) == 0


def run_refused(mesh: DaemonMesh, *words: str | Path) -> str:
    """Runs a daemon that must not start, and returns the one line that says why.

    That a key was made may stand before it.
    """
    done = mesh["a"].host.run(PROGRAM, *words, check=False)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    *before, text = done.stderr.strip().splitlines()
    assert [line for line in before if "made a new key" not in line] == []
    return text


def test_a_second_daemon_on_the_same_port_says_so(pair: DaemonMesh, tmp_path: Path) -> None:
    pair.start("a")
    own = ("--key-file", tmp_path / "other.key", "--api-addr", f"unix:{tmp_path}/other.sock", "--tun-name", "tun1")
    assert f"udp port {PORT} is in use: is another mycelium running?" in run_refused(pair, *own)
    assert not pair["a"].host.has_interface("tun1")
    assert pair["a"].get("admin")


def test_a_second_daemon_with_the_same_key_says_so(pair: DaemonMesh, tmp_path: Path) -> None:
    pair.start("a")
    key = pair["a"].key_file
    own = ("--listen", "udp://[::]:9999", "--api-addr", f"unix:{tmp_path}/other.sock", "--tun-name", "tun1")
    assert f"another mycelium is running with the key {key}" in run_refused(pair, "--key-file", key, *own)
    assert pair["a"].get("admin")


def test_a_second_daemon_with_the_same_device_says_so(pair: DaemonMesh, tmp_path: Path) -> None:
    pair.start("a")
    own = ("--key-file", tmp_path / "other.key", "--listen", "udp://[::]:9999", "--tun-name", TUN)
    text = run_refused(pair, *own, "--api-addr", f"unix:{tmp_path}/other.sock")
    assert TUN in text
    assert pair["a"].host.has_interface(TUN)
    assert pair["a"].get("admin")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda path: path.chmod(0o644), "open to other users"),
        (lambda path: path.write_bytes(b"short"), "has 5 bytes, not 32"),
        (lambda path: path.write_bytes(bytes(range(32))), "if the Rust Mycelium made it, 'mycelium import-key "),
        (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
    ],
    ids=["readable", "damaged", "bare", "directory"],
)
def test_a_key_file_that_can_not_be_trusted_is_refused(pair: DaemonMesh, spoil: "object", text: str) -> None:
    key = pair["a"].key_file
    assert callable(spoil)
    spoil(key)
    assert text in run_refused(pair, "--key-file", key)


@pytest.mark.parametrize(
    "words",
    [
        ("--peers", "udp://[::1"),
        ("--peers", "sctp://10.0.0.1:9651"),
        ("--listen", "udp://192.0.2.1:9651"),
        ("--tun-name", "a-name-that-is-far-too-long"),
        ("--network-key-file", "/nowhere/at/all"),
        ("--network-name", "home"),
        ("--api-addr", "0.0.0.0:99999"),
        ("--no-such-flag",),
    ],
    ids=lambda words: words[0],
)
def test_a_bad_flag_is_one_line_of_error(pair: DaemonMesh, tmp_path: Path, words: tuple[str, ...]) -> None:
    text = run_refused(pair, "--key-file", tmp_path / "new.key", *words)
    assert text.startswith("mycelium: ")
    assert not pair["a"].host.has_interface(TUN)


def test_keys_are_made_and_inspected(pair: DaemonMesh, tmp_path: Path) -> None:
    host, path = pair["a"].host, tmp_path / "made.key"
    host.run(PROGRAM, "generate-keys", "--key-file", path)
    assert path.stat().st_mode & 0o777 == 0o600
    seen = json.loads(host.run(PROGRAM, "inspect", "--json", "--key-file", path).stdout)
    by_key = json.loads(host.run(PROGRAM, "inspect", "--json", seen["publicKey"]).stdout)
    assert (
        len(bytes.fromhex(seen.pop("fingerprint"))) == FINGERPRINT_BYTES
    )  # of the ML-DSA key, which this key does not tell
    assert seen == by_key
    kept = path.read_bytes()
    assert "exists already" in host.run(PROGRAM, "generate-keys", "--key-file", path, check=False).stderr
    assert path.read_bytes() == kept


def test_a_new_key_is_made_where_there_is_none(pair: DaemonMesh) -> None:
    os.unlink(pair["a"].key_file)
    pair["a"].start()
    pair["a"].wait_ready()
    inspected = json.loads(pair["a"].host.run(PROGRAM, "inspect", "--json", "--key-file", pair["a"].key_file).stdout)
    assert pair["a"].get("admin")["nodeIp"] == inspected["address"] != pair["a"].address
