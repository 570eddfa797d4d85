"""Network namespaces as hosts, veth pairs as cables: a laboratory that leaves nothing behind.

Every name on the system begins with the process that made it, so that runs don't meet and what a killed run left is found
and removed by the next.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

from tests.lab.offload import switch_segmentation

PREFIX: Final = "mycelium-lab"
RUN_SECONDS: Final = 30.0
CLONE_NEWNET: Final = 0x4000_0000
FIRST_INDEX: Final = 1_000
SETTINGS: Final = Path("/proc/sys/net/ipv6/conf/default")
NETNS_ETC: Final = Path("/etc/netns")
HOSTS_FILE: Final = Path("/etc/hosts")

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = count(1)


def run_batch(*arguments: str, lines: Sequence[str]) -> None:
    """Runs ip or tc once for many lines; raises CalledProcessError, its output shown, when one of them fails."""
    _checked([*arguments, "-batch", "-"], "\n".join(lines) + "\n")


def is_available() -> bool:
    """Tells whether this process may make namespaces and has the tools for it."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("ip", "nft", "tc", "ping", "setpriv"))


class LabHost:
    """One network namespace."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace
        self.interfaces = 0
        self._made_hosts_file = False
        self._processes: list[subprocess.Popen[str]] = []

    def command(self, arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
        """Returns the command line that runs a command in here and takes it down with the process that started it."""
        inside = ["ip", "netns", "exec", self.namespace, "setpriv", "--pdeathsig", "KILL", "--"]
        return inside + [os.fspath(argument) for argument in arguments]

    def run(
        self, *arguments: str | os.PathLike[str], timeout: float = RUN_SECONDS, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end and returns its output; a failure raises with the output shown."""
        return _checked(self.command(arguments), timeout=timeout, check=check)

    def start(self, *arguments: str | os.PathLike[str], **options: Any) -> "subprocess.Popen[str]":
        """Starts a command that is killed at the latest when the laboratory closes; call it from the main thread."""
        process: subprocess.Popen[str] = subprocess.Popen(self.command(arguments), text=True, **options)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kills what runs in here and removes the namespace."""
        _remove_namespace(self.namespace)
        if self._made_hosts_file:
            HOSTS_FILE.unlink()
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        self._processes.clear()

    def ip(self, *lines: str) -> None:
        """Runs lines of the ip command in here."""
        run_batch("ip", "-n", self.namespace, lines=lines)

    def apply_rules(self, rules: str) -> None:
        """Applies rules of nftables, all or none."""
        _checked(["ip", "netns", "exec", self.namespace, "nft", "-f", "-"], rules)

    def has_interface(self, name: str) -> bool:
        """Tells whether a network interface of this name is there."""
        return any(link["ifname"] == name for link in json.loads(self.run("ip", "-j", "link").stdout))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Moves the calling thread in here; sockets made meanwhile stay here."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set_namespace(there)
            yield
        finally:
            _set_namespace(home)
            os.close(there)
            os.close(home)

    def name_hosts(self, addresses: Mapping[str, str]) -> None:
        """Gives commands in here their own /etc/hosts, mounted over that of the system, which a minimal one lacks."""
        if not HOSTS_FILE.exists():
            HOSTS_FILE.touch()
            self._made_hosts_file = True
        directory = NETNS_ETC / self.namespace
        directory.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **addresses}.items()]
        (directory / "hosts").write_text("".join(lines))


class CableEnd(NamedTuple):
    """One end of a cable."""

    host: LabHost
    interface: str
    ipv4: str
    ipv6: str

    def set_filter(self, rule: str) -> None:
        """Applies a rule of nftables to all that comes in here; an empty one lets everything pass."""
        chain = f'chain arriving {{\n type filter hook ingress device "{self.interface}" priority 0\n {rule}\n }}\n'
        table = f"table netdev {self.interface}"
        self.host.apply_rules(f"{table}\ndelete {table}\n{table} {{\n {chain} }}\n")


LayCable = Callable[[CableEnd, CableEnd], None]  # makes both interfaces and what is between them


class Cable:
    """A cable between two hosts, whose carrier stays up whatever is done to its traffic."""

    def __init__(self, first: CableEnd, second: CableEnd) -> None:
        self.ends = (first, second)

    def end(self, host: LabHost) -> CableEnd:
        """Returns the end that is at `host`."""
        return self.ends[0] if self.ends[0].host is host else self.ends[1]

    def far_end(self, host: LabHost) -> CableEnd:
        """Returns the end that is not at `host`."""
        return self.ends[1] if self.ends[0].host is host else self.ends[0]

    def cut(self, *, towards: LabHost | None = None) -> None:
        """Drops everything silently; with `towards`, in that direction only."""
        for end in self.ends:
            if towards is None or end.host is towards:
                end.set_filter("drop")

    def mend(self) -> None:
        """Ends what `cut` and `lose` began."""
        for end in self.ends:
            end.set_filter("")

    def lose(self, percent: float) -> None:
        """Loses a share of the packets each way, at random; each on its own, even where senders segment late."""
        for end in self.ends:
            with end.host.entered():
                switch_segmentation(end.interface, on=False)
            end.set_filter(f"numgen random mod 100000 < {round(percent * 1_000)} drop")

    def limit_rate(self, megabits: float, *, queue_ms: int = 50) -> None:
        """Caps the rate each way by a token bucket with a queue of `queue_ms`."""
        for end in self.ends:
            line = f"qdisc replace dev {end.interface} root tbf rate {megabits}mbit burst 32kb latency {queue_ms}ms"
            run_batch("tc", "-n", end.host.namespace, lines=[line])

    def set_mtu(self, mtu: int) -> None:
        """Sets the largest packet that the interfaces carry."""
        for end in self.ends:
            end.host.ip(f"link set {end.interface} mtu {mtu}")

    def set_carrier(self, *, up: bool) -> None:
        """Plugs or unplugs the cable: both ends see it."""
        self.ends[0].host.ip(f"link set {self.ends[0].interface} {'up' if up else 'down'}")

    def change_address(self, host: LabHost, ipv4: str, ipv6: str) -> None:
        """Replaces the addresses at one end, as on a move to another network; the other end learns no news of it."""
        old = self.end(host)
        host.ip(
            f"address del {old.ipv4}/24 dev {old.interface}",  # first: it takes secondary addresses along
            f"address del {old.ipv6}/64 dev {old.interface}",
            f"address add {ipv4}/24 dev {old.interface}",
            f"address add {ipv6}/64 dev {old.interface} nodad",
        )
        new = old._replace(ipv4=ipv4, ipv6=ipv6)
        self.ends = (new, self.ends[1]) if self.ends[0] is old else (self.ends[0], new)


class Logging(Protocol):
    """Something in a laboratory that keeps a log."""

    name: str

    def log_tail(self) -> str: ...
    def complaint(self) -> str: ...


class Lab:
    """Hosts and the cables between them; closing it kills what runs in the hosts and removes them.

    `daemons` is who has something to tell when a test fails.
    """

    def __init__(self) -> None:
        self.hosts: list[LabHost] = []
        self.daemons: list[Logging] = []
        self.cables: list[Cable] = []
        self._name = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_hosts(self, names: Sequence[str]) -> list[LabHost]:
        """Makes namespaces with their loopback interface up."""
        hosts = [LabHost(name, f"{self._name}-{name}") for name in names]
        self.hosts += hosts
        run_batch("ip", lines=[f"netns add {host.namespace}" for host in hosts])
        for host in hosts:
            host.ip("link set lo up")
            with host.entered():  # addresses are unique by construction: no second of waiting before they work
                SETTINGS.joinpath("accept_dad").write_text("0")
                SETTINGS.joinpath("keep_addr_on_down").write_text("1")  # as a network manager would see to
        return hosts

    def add_cable(self, first: LabHost, second: LabHost, *, lay: LayCable | None = None) -> Cable:
        """Joins two hosts by a cable with a /24 and a /64 of its own: a veth pair, or what `lay` makes."""
        number = len(self.cables) + 1
        ends = []
        for side, host in enumerate((first, second), start=1):
            ipv4 = f"10.{number >> 8}.{number & 255}.{side}"
            ends.append(CableEnd(host, f"eth{host.interfaces}", ipv4, f"fd00:0:0:{number:x}::{side}"))
            host.interfaces += 1
        one, two = ends
        if lay is None:
            _lay_veth(one, two, number)
        else:
            lay(one, two)
        for end in ends:
            end.host.ip(
                f"address add {end.ipv4}/24 dev {end.interface}",
                f"address add {end.ipv6}/64 dev {end.interface} nodad",
                f"link set {end.interface} up",
            )
        cable = Cable(one, two)
        self.cables.append(cable)
        return cable

    def close(self) -> None:
        """Kills every process in the hosts and removes the namespaces; may be called twice."""
        for host in self.hosts:
            host.close()
        self.hosts.clear()


def _lay_veth(one: CableEnd, two: CableEnd, number: int) -> None:
    # The kernel tells of a carrier at once only where the two indices differ; else it may take a second.
    peer = f"peer name {two.interface} index {2 * number + FIRST_INDEX + 1} netns {two.host.namespace}"
    device = f"name {one.interface} index {2 * number + FIRST_INDEX} netns {one.host.namespace}"
    run_batch("ip", lines=[f"link add {device} type veth {peer}"])


def remove_leftovers() -> None:
    """Removes the namespaces of laboratories whose process is gone."""
    namespaces = Path("/run/netns")
    for path in sorted(namespaces.glob(f"{PREFIX}-*")) if namespaces.is_dir() else []:
        made_by = re.match(rf"{PREFIX}-(\d+)-", path.name)
        if made_by and not Path("/proc", made_by[1]).exists():
            _remove_namespace(path.name)


def _remove_namespace(namespace: str) -> None:
    for _ in range(100):
        listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
        pids = [int(pid) for pid in listed.stdout.split()]
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)
    shutil.rmtree(NETNS_ETC / namespace, ignore_errors=True)


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _checked(
    command: Sequence[str], text: str | None = None, *, timeout: float = RUN_SECONDS, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        shown = f"{' '.join(command)}\n{text or ''}\n{done.stdout}{done.stderr}"
        raise AssertionError(f"status {done.returncode} from {shown}")
    return done
