"""README.md alone, typed on two fresh hosts: joined, reached by name, and the page is there."""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from tests.lab.daemon import PROGRAM
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.netns

README: Final = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CHAPTER: Final = README.partition("## Join in a minute\n")[2].partition("\n## ")[0]
SECONDS: Final = 30.0
# Holds the mounts of a fresh host: what it writes into these folders is its own, and gone with it. It reaches no service of the
# host that runs the test, such as systemd, which `mycelium join` would have start a daemon there.
FRESH: Final = """
mount -t tmpfs none "$0"
for folder in /etc /var/lib /root; do
    upper="$0$folder"
    mkdir -p "$upper" "$upper.work"
    mount -t overlay -o "lowerdir=$folder,upperdir=$upper,workdir=$upper.work" none $folder || exit 1
done
mount -t tmpfs none /run || exit 1
echo "127.0.0.1 localhost" >/etc/hosts
echo ready
exec sleep infinity
"""


class FreshHost:
    """A host of which nothing was set up, and what is typed there, as root, in an empty home."""

    def __init__(self, host: LabHost, folder: Path) -> None:
        folder.mkdir()
        host.ip("link set lo up")
        self._host = host
        self._holder = host.start("sh", "-c", FRESH, folder, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    def _words(self, line: str) -> list[str]:
        home = f"mkdir -p /root/home && cd /root/home && HOME=/root/home && {line}"
        return ["nsenter", "--target", str(self._holder.pid), "--mount", "--root", "sh", "-c", home]

    def type(self, line: str) -> str:
        """Runs a command to its end and returns what it prints."""
        return self._host.run("env", *ENVIRONMENT, *self._words(line), timeout=SECONDS).stdout

    def leave_running(self, line: str, log: Path) -> None:
        """Runs a command in another terminal."""
        with log.open("w") as file:
            self._host.start("env", *ENVIRONMENT, *self._words(f"exec {line}"), stdout=file, stderr=subprocess.STDOUT)

    def succeeds(self, line: str) -> bool:
        done = self._host.run("env", *ENVIRONMENT, *self._words(line), timeout=SECONDS, check=False)
        return done.returncode == 0

    def told(self, line: str) -> list[str]:
        """Returns the lines that a command prints, none where it fails."""
        done = self._host.run("env", *ENVIRONMENT, *self._words(line), timeout=SECONDS, check=False)
        return done.stdout.splitlines() if done.returncode == 0 else []

    def page(self) -> str:
        with self._host.entered(), urllib.request.urlopen("http://127.0.0.1:8989/", timeout=SECONDS) as answer:
            assert answer.status == 200
            return str(answer.read().decode())


ENVIRONMENT: Final = (f"PATH={PROGRAM.parent}:{os.environ['PATH']}", "XDG_CONFIG_HOME=", "XDG_DATA_HOME=")


def test_two_hosts_join_by_what_is_written(lab: Lab, tmp_path: Path) -> None:
    hosts = lab.add_hosts(["hub", "laptop"])
    lab.add_cable(*hosts)
    hub, laptop = (FreshHost(host, tmp_path / host.name) for host in hosts)
    make_key, run, invite = (
        line.partition(" #")[0].strip() for line in re.findall(r"^ {4}(.*)$", CHAPTER, re.MULTILINE)
    )
    hub.type(make_key)
    hub.leave_running(run, tmp_path / "hub.log")
    wait_until(lambda: hub.succeeds("mycelium status"), SECONDS, "the first node runs")
    [join] = wait_until(lambda: hub.told(invite), SECONDS, "it knows where others find it")
    assert join.startswith("mycelium join 'mycelium:join?")
    said = laptop.type(join)
    assert said.startswith("you are laptop.corp (")
    start = said.partition("; to start the daemon: ")[2].strip()
    assert shlex.split(start)[0] == "mycelium"
    laptop.leave_running(start, tmp_path / "laptop.log")
    [ping] = [span for span in re.findall(r"`([^`]+)`", CHAPTER) if span.startswith("ping ")]
    wait_until(lambda: laptop.succeeds(f"{ping} -c 1 -W 1"), SECONDS, "the hub is reached by its name")
    wait_until(lambda: hub.succeeds("ping -c 1 -W 1 laptop.corp.myc"), SECONDS, "and the laptop by its")
    for host in (hub, laptop):
        assert "<title>" in host.page()


def test_no_host_of_a_laboratory_is_that_of_systemd_resolved(lab: Lab) -> None:
    [host] = lab.add_hosts(["a"])
    code = "from mycelium.admin import service_unit as one; one.RESOLVED = one.Path('/'); print(one.runs_resolved())"
    assert host.run(sys.executable, "-c", code).stdout == "False\n"
