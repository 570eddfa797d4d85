"""Daemons that root has started by hand: one becomes another user, one stays root, and neither keeps more than it needs.

All that needs rights later works: repairs of the TUN device, names in the hosts file, a reload, files of its own. In all other
tests daemons stay root.
"""

import json
import os
import pwd
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import mycelium
from mycelium.admin.keyfile import invitations_path
from mycelium.daemon.confinement import KEPT
from tests.lab.daemon import PORT, PROGRAM, TUN, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import answers
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

SECONDS: Final = 30.0
USER: Final = "nobody"


# runs a process in whose mounts everybody may enter a folder, and open /dev/net/tun, as udev has it
OPEN_FOLDER: Final = """
mkdir "$1" && mknod -m 666 "$1.tun" c 10 200 && mount --bind "$1.tun" /dev/net/tun || exit 1
if ! [ "$0" = / ]; then
    mount --bind "$0" "$1" && mount -t tmpfs -o mode=755 none "$0" || exit 1
    for one in "$1"/* "$1"/.[!.]*; do
        name="$0/${one##*/}"
        if [ -d "$one" ]; then mkdir "$name" && mount --bind "$one" "$name" || exit 1; fi
    done
fi
shift
exec "$@" 2>&1
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of that user's."""
    with tempfile.TemporaryDirectory() as made:
        os.chown(made, pwd.getpwnam(USER).pw_uid, -1)
        yield Path(made)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that everybody may read, which no setting names at the start."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def let_read_program(daemon: LabDaemon, spare: Path) -> None:
    """Has every user read interpreter and program, which may be below a folder such as /root, and open TUN devices."""
    places = [Path(place) for place in (sys.base_prefix, sys.prefix, *mycelium.__path__)]
    closed = {path for place in places for path in place.parents if not path.stat().st_mode & 0o001}
    [folder] = [path for path in closed if not closed & set(path.parents)] or [Path("/")]
    words = ["sh", "-c", OPEN_FOLDER, str(folder), str(spare)]
    plain: Callable[[], list[str]] = daemon.arguments
    daemon.arguments = lambda: [*words, *plain()]  # type: ignore[method-assign]


def configure(daemon: LabDaemon, file: Path, *peers: str) -> None:
    file.write_text(f"peers = {json.dumps(peers)}\n")
    file.chmod(0o644)
    if "--config-file" not in daemon.options:
        daemon.options += ["--config-file", str(file)]


def rights(daemon: LabDaemon) -> list[dict[str, str]]:
    """Returns what the kernel says of each thread."""
    told = [path.read_text() for path in Path(f"/proc/{daemon.pid}/task").glob("*/status")]
    return [dict(re.findall(r"^(Uid|Cap\w+|NoNewPrivs):\s*(\S+)", text, re.MULTILINE)) for text in told]


def assert_confined(daemon: LabDaemon, user: int) -> None:
    for thread in rights(daemon):
        assert int(thread["Uid"]) == user
        assert {int(thread[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {KEPT}
        assert {int(thread[name], 16) for name in ("CapInh", "CapAmb")} == {0}
        assert thread["NoNewPrivs"] == "1"


def reload(daemon: LabDaemon, file: Path, peers: str) -> str:
    """Names a list of peers that the daemon may not read, and returns what it says of that."""
    configure(daemon, file, "udp://192.0.2.1:9", f"file:{peers}")
    os.kill(daemon.pid, signal.SIGHUP)
    wait_until(lambda: "reloaded:" in daemon.log(), SECONDS, "the settings are read again")
    wait_until(lambda: re.search(rf"{peers}.*Permission denied", daemon.log()), SECONDS, "the list can't be read")
    return daemon.log()


def both_ways(mesh: DaemonMesh) -> bool:
    a, b = mesh["a"], mesh["b"]
    return answers(a.host, b.address) and answers(b.host, a.address)


def test_daemons_started_by_root_keep_what_they_need_and_no_more(
    make_mesh: MakeMesh, tmp_path: Path, folder: Path, elsewhere: Path
) -> None:
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    user = pwd.getpwnam(USER).pw_uid
    key, hosts, network, secret = folder / "key", elsewhere / "hosts", tmp_path / "corp", elsewhere / "peers"
    let_read_program(a, tmp_path / "spare")
    a.key_file.rename(key)
    a.key_file = key
    os.chown(key, user, -1)
    hosts.write_text("")
    a.host.run(PROGRAM, "generate-network-key", network)
    for daemon in (a, b):
        daemon.options += ["--network-key-file", str(network), "--network-name", "corp", "--name", daemon.name]
    a.options += ["--user", USER, "--hosts-file", str(hosts)]
    configs = {a.name: folder / "a.toml", b.name: tmp_path / "b.toml"}
    for daemon in (a, b):
        configure(daemon, configs[daemon.name], *daemon.peers)
        daemon.peers.clear()
    mesh.start()
    wait_until(lambda: both_ways(mesh), SECONDS, "they reach each other")

    wait_until(lambda: b.address in hosts.read_text(), SECONDS, "the name of b is in a's hosts file")
    for daemon, who in ((a, user), (b, 0)):
        assert_confined(daemon, who)
        assert daemon.epoch_file.stat().st_uid == who
        daemon.cli("invite", "--at", f"192.0.2.1:{PORT}")
        assert invitations_path(daemon.key_file).stat().st_uid == who
        daemon.host.ip(f"link del {TUN}")
    wait_until(lambda: both_ways(mesh), SECONDS, "both have made their devices again")
    secret.write_text("udp://192.0.2.2:9\n")
    for daemon in (a, b):
        reload(daemon, configs[daemon.name], str(secret))
        assert_confined(daemon, user if daemon is a else 0)  # its later threads too
    for daemon in (a, b):
        assert daemon.stop() == 0
    assert "mycelium" not in hosts.read_text()
