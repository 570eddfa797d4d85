"""Every command that README.md, CONTRIBUTING.md and documents in docs/ show is run as it stands, or excused with a reason.

The commands run in a network namespace, with an empty home folder, beside the daemon that README.md says how to start.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from mycelium.cli.main import cli
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import wait_until

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = (
    "README.md",
    "CONTRIBUTING.md",
    *(
        f"docs/{name}.md"
        for name in ("joining", "running", "monitoring", "simulator", "figures", "experiments", "limits")
    ),
)
VENV_PIP: Final = "/opt/mycelium/bin/pip"
PROGRAMS: Final = ("./dev", "mycelium", "mycelium-sim", "ip", "ping", "pip", "apt", "python3", VENV_PIP, "ln")
INSTALLS: Final = "it installs, and downloads"
# What may be run: it writes nothing outside its folder and its network namespace. A daemon may, as one that keeps a hosts file.
HARMLESS: Final = re.compile(r"\./dev(?: bench .+)?|mycelium-sim .+|mycelium (?!(?:join|run|service)\b)[a-z].*")
SECONDS: Final = 240.0  # for one command, on a machine that is busy

DAEMON: Final = "mycelium --peers 198.51.100.7:9651 '[2001:db8::7]:9651' hub.example.org:9651"
ENDLESS: Final = ("mycelium events --follow",)  # run until they have printed something
TYPED_ELSEWHERE: Final = "tests/netns/test_ways_in.py types it at its place"
QUICK_START: Final = "tests/netns/test_quick_start.py types it at its place"
EXCUSED: Final = {
    "ip -6 route add default via 2001:db8::1 table 51820": "it takes an uplink; tests/netns/test_underlay.py has one",
    "ip -6 rule add fwmark 51820 table 51820": "it takes an uplink; tests/netns/test_underlay.py has one",
    "mycelium": TYPED_ELSEWHERE,
    "mycelium --peers hub.example.org:9651": TYPED_ELSEWHERE,
    "mycelium --metrics-api-address 0.0.0.0:9100 --peers hub.example.org:9651": "tests/netns/test_monitoring.py starts one",
    "mycelium --proxy http://proxy.example.org:3128 --peers tls://hub.example.org:443": TYPED_ELSEWHERE,
    "./dev test": "it would run this test",
    "./dev test --newest": "it would run this test",
    "./dev check": "it would run the tests a second time",
    "./dev test tests/netns/test_page.py": "it takes a browser",
    "./dev check --cov": "it would run the tests a second time",
    "./dev deep": "it takes an hour",
    "./dev prove": "it takes a quarter of an hour; tests/prove runs it within small bounds",
    "./dev demo": "tests/demo runs it",
    "./dev format": "it changes files",
    "./dev lock": "it changes a file, and downloads",
    "./dev setup": "it installs, and was the first thing that ./dev test did",
    "mycelium --network-name corp --network-key-file corp.key --name hub --hosts-file /etc/hosts": QUICK_START,
    "mycelium invite --name laptop": QUICK_START,
    "ping hub.corp.myc": QUICK_START,
    "mycelium invite --at hub.example.org": "tests/cli/test_invite.py types it at its place",
    "mycelium join 'mycelium:join?v=1&p=hub.example.org:9651%23…&t=…'": "tests/netns/test_joining.py has a member that answers",
    "mycelium generate-keys": "the daemon that is asked has made keys already; tests/cli/test_keys.py makes some",
    "mycelium network create corp.root": "tests/netns/test_members.py makes a network",
    "mycelium network admit corp.root corp.member --may-invite": "tests/netns/test_members.py does",
    "mycelium network members corp.root": "tests/cli/test_network.py does",
    "mycelium network remove corp.root 4ab:1234::1": "tests/netns/test_members.py does",
    "mycelium network recover corp.root priv_key.bin.removed": "tests/cli/test_network.py does",
    "mycelium network tell corp.root.removed": "tests/netns/test_members.py does",
    "mycelium policy test 4ab:1234::1 here tcp/22": "it is denied there; tests/netns/test_policy.py has an answer of each kind",
    "mycelium explain berlin": "tests/netns/test_joining.py has a node with a name",
    "mycelium join -": "tests/netns/test_joining.py types it at its place",
    "mycelium service install": "tests/cli/test_service.py runs it; it changes the host",
    "mycelium service uninstall": "tests/cli/test_service.py runs it; it changes the host",
    "apt install python3-venv": INSTALLS,
    "apt install systemd-resolved": INSTALLS,
    "apt remove": "it removes",
    "apt purge": "it removes",
    "python3 -m venv /opt/mycelium": INSTALLS,
    f"{VENV_PIP} install .": INSTALLS,
    "ln -s /opt/mycelium/bin/mycelium /usr/local/bin/": INSTALLS,
    "pip install .": INSTALLS,
    f"{VENV_PIP} install '.[upnp]'": INSTALLS,
    "./dev sim": "it writes into the clone; mycelium-sim, below it, does the same elsewhere",
    "./dev fuzz 10": "it takes ten minutes; tests/fuzz runs a portion",
    "./dev mutate mycelium.link.path.rtt": "it takes a minute; tests/mutate tests it",
    "ping 4b0:1a2b:...": "the address stands for any",
    "mycelium explain 4b0:1a2b": "the address stands for any",
    "mycelium ping 4b0:1a2b": "the address stands for any",
    "mycelium trace 4b0:1a2b": "the address stands for any",
    "mycelium speedtest 4b0:1a2b": "the address stands for any",
    "mycelium speedtest NODE": "tests/netns/test_commands.py runs it",
    "mycelium capture": "it goes on until it is ended; tests/netns/test_commands.py runs it",
    "mycelium top": "it takes a terminal; tests/cli/test_top.py has one",
    "mycelium doctor": "tests/netns/test_commands.py runs it, where there is something to find",
    "./dev bench throughput --systems limit mycelium nebula wireguard-go yggdrasil tinc --seconds 2": "it takes an hour",
    "./dev bench throughput --path peers/usr/bin peers/usr/sbin --systems limit mycelium nebula": "it takes an hour",
    "./dev bench datapath": "tests/bench runs it",
    "./dev bench heal": "it takes an hour",
    "./dev bench join": "it takes a minute",
    "./dev bench heal --cases silent-cut --shapes square --systems mycelium mycelium-mixed": "it takes some minutes",
    "./dev bench throughput --systems mycelium mycelium-leased --only one": "it takes some minutes",
    './dev bench throughput --systems mycelium mycelium-tcp mycelium-quic --only "TCP one"': "it takes some minutes",
    "./dev bench soak --shape mesh --plain": "it takes ten minutes",
    "./dev bench throughput --systems limit mycelium nebula wireguard-go yggdrasil --seconds 2": "it takes an hour",
    "./dev bench idle": "it takes a minute of an idle machine",
    "./dev bench strangers": "it takes some minutes",
    "./dev bench injected": "it takes a minute",
    "./dev bench soak --shape link": "it takes ten minutes",
    "./dev attack": "it takes half an hour",
    "./dev bench hub --peers 250 --parts stop --settle 1 --after 1": "it takes a minute",
    "./dev bench hub --peers 1300 --parts rest --settle 10 --seconds 10": "it takes some minutes",
    "./dev bench hub --peers 650 --parts restart stall flap stop --lasting 3 --after 4 --settle 0": "it takes two minutes",
    "./dev bench nat --seconds 6": "it takes five minutes",
}


def commands(text: str) -> list[str]:
    """Returns what a document tells its reader to type: the lines of its blocks, and code in a line that is a command."""
    blocks = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for line in (*blocks, *"\n".join(fenced).splitlines()) if line.strip()]
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    return lines + [span for span in spans if span.split()[0] in PROGRAMS]


ALL: Final = list(dict.fromkeys(line for name in DOCUMENTS for line in commands((ROOT / name).read_text())))
RUN: Final = [
    command
    for command in ALL
    if HARMLESS.fullmatch(command) and command not in EXCUSED and command not in (DAEMON, *ENDLESS)
]


def test_commands_are_found_in_blocks_and_in_lines() -> None:
    text = (
        "Do:\n\n    ./dev demo   # shows\n    sudo x\n\nor `mycelium\nstatus`, not `other`.\n```sh\n./dev check\n```\n"
    )
    assert commands(text) == ["./dev demo", "sudo x", "./dev check", "mycelium status"]


@pytest.mark.parametrize(
    "command",
    [
        "apt install x",
        "systemctl restart mycelium",
        "rm -r /etc/mycelium",
        "pip install x",
        f"{VENV_PIP} install .",
        "ln -s a b",
        "python3 -m venv x",
        "mycelium",
        "mycelium --hosts-file /etc/hosts",
        "mycelium run",
        "mycelium join -",
        "mycelium service install",
        "./dev setup",
        "./dev lock",
        "./dev test",
    ],
)
def test_what_changes_the_host_is_not_run(command: str) -> None:
    assert HARMLESS.fullmatch(command) is None


def test_each_command_is_run_or_excused() -> None:
    assert [command for command in ALL if command not in (DAEMON, *ENDLESS, *RUN, *EXCUSED)] == []


def test_there_is_a_program_to_each_command() -> None:
    assert [command for command in ALL if command.split()[0] not in PROGRAMS] == []


def test_what_is_excused_or_special_stands_in_a_document() -> None:
    assert [command for command in (DAEMON, *ENDLESS, *EXCUSED) if command not in ALL] == []


@pytest.mark.parametrize("name", ["troubleshooting", "coming-from"])
def test_each_command_that_is_named_without_its_arguments_exists(name: str) -> None:
    lines = commands((ROOT / "docs" / f"{name}.md").read_text())
    named = [line for line in lines if line.startswith("mycelium ") and not line.startswith("mycelium --")]
    assert len(named) > 10
    for line in named:
        _, name, *words = line.split()
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, line
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, line


@pytest.fixture(scope="module")
def host() -> Iterator[LabHost]:
    with Lab() as lab:
        yield lab.add_hosts(["reader"])[0]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of someone who has just installed the project."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MYCELIUM_"))}
    return {**kept, "HOME": str(tmp_path_factory.mktemp("home")), "PATH": path, "MYCELIUM_VENV": sys.prefix}


@pytest.fixture(scope="module")
def _daemon(host: LabHost, reader: dict[str, str]) -> None:
    log = Path(reader["HOME"], "log")
    with log.open("w") as output:
        daemon = host.start(*shlex.split(DAEMON), stdout=output, stderr=subprocess.STDOUT, env=reader)

    def answers() -> bool:
        assert daemon.poll() is None, log.read_text()
        return (
            subprocess.run(_words(host, "mycelium status"), env=reader, capture_output=True, check=False).returncode
            == 0
        )

    wait_until(answers, SECONDS, "the daemon answers")


@pytest.mark.netns
@pytest.mark.usefixtures("_daemon")
@pytest.mark.parametrize("command", RUN)
def test_a_command_runs_as_it_stands_there(host: LabHost, reader: dict[str, str], command: str) -> None:
    done = subprocess.run(
        _words(host, command),
        cwd=_folder(command, reader),
        env=reader,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.netns
@pytest.mark.usefixtures("_daemon")
@pytest.mark.parametrize("command", ENDLESS)
def test_a_command_without_end_prints_something(host: LabHost, reader: dict[str, str], command: str) -> None:
    follower = host.start(*shlex.split(command), env=reader, stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline()
    follower.kill()


@pytest.mark.parametrize("command", [command for command in EXCUSED if "bench" in command])
def test_a_benchmark_knows_its_options(reader: dict[str, str], command: str) -> None:
    program, *options = command.split(" --")
    told = subprocess.run(
        [*program.split(), "--help"], cwd=ROOT, env=reader, capture_output=True, text=True, check=True
    )
    assert [option for option in options if f"--{option.split()[0]} " not in told.stdout] == []


def _words(host: LabHost, command: str) -> list[str]:
    return host.command(shlex.split(command))


def _folder(command: str, reader: dict[str, str]) -> str | Path:
    """Returns where a command is typed: at the root of the clone where it names a file of it."""
    return ROOT if command.startswith("./") else reader["HOME"]
