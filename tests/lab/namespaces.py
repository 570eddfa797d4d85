"""Network namespaces that stand for hosts."""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

RUN_SECONDS: Final = 30.0
CLONE_NEWNET: Final = 0x4000_0000
NETNS_ETC: Final = Path("/etc/netns")
HOSTS_FILE: Final = Path("/etc/hosts")

_libc = ctypes.CDLL(None, use_errno=True)


def run_batch(*arguments: str, lines: Sequence[str]) -> None:
    """Runs ip once for many lines; a failure raises with the output shown."""
    _checked([*arguments, "-batch", "-"], "\n".join(lines) + "\n")


class LabHost:
    """One network namespace."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace
        self.interfaces = 0
        self._hosts_file: contextlib.ExitStack = contextlib.ExitStack()
        self._processes: list[subprocess.Popen[str]] = []

    def command(self, arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
        """Returns the command line that runs a command in here and kills it when this process ends."""
        inside = ["ip", "netns", "exec", self.namespace, "setpriv", "--pdeathsig", "KILL", "--"]
        return inside + [os.fspath(argument) for argument in arguments]

    def run(
        self, *arguments: str | os.PathLike[str], timeout: float = RUN_SECONDS, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end and returns its output; a failure raises with the output shown."""
        return _checked(self.command(arguments), timeout=timeout, check=check)

    def start(self, *arguments: str | os.PathLike[str], **options: Any) -> "subprocess.Popen[str]":
        """Starts a command, which dies with the laboratory and with the calling thread: call it from the main thread."""
        process: subprocess.Popen[str] = subprocess.Popen(self.command(arguments), text=True, **options)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kills what runs in here and removes the namespace."""
        remove_namespace(self.namespace)
        self._hosts_file.close()
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

    def sysctl(self, name: str, value: int) -> None:
        """Sets a parameter of the kernel in here, named with dots."""
        with self.entered():
            Path("/proc/sys", *name.split(".")).write_text(str(value))

    def has_interface(self, name: str) -> bool:
        """Tells whether a network interface of this name is there."""
        return any(link["ifname"] == name for link in json.loads(self.run("ip", "-j", "link").stdout))

    def listens(self, port: int) -> bool:
        """Tells whether a TCP port is open in here."""
        return bool(self.run("ss", "-Hltn", f"sport = :{port}").stdout)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Moves the calling thread in here inside the `with` block; sockets made there stay in here."""
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
        directory = NETNS_ETC / self.namespace
        if not directory.exists():
            self._hosts_file.enter_context(_hosts_file())
        directory.mkdir(parents=True, exist_ok=True)
        lines = [f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **addresses}.items()]
        (directory / "hosts").write_text("".join(lines))


@contextlib.contextmanager
def _hosts_file() -> Iterator[None]:
    """Keeps an /etc/hosts to mount others over: an empty one is made, and removed by the last of all labs that used it.

    Its removal by anyone would take away what others have mounted over it.
    """
    lock = os.open(HOSTS_FILE.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        HOSTS_FILE.touch()
        yield
        with contextlib.suppress(BlockingIOError):  # others use it
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not HOSTS_FILE.stat().st_size:
                HOSTS_FILE.unlink()
    finally:
        os.close(lock)


def remove_namespace(namespace: str) -> None:
    """Kills what runs in a namespace and removes it."""
    for _ in range(100):
        pids = pids_in(namespace)
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)
    shutil.rmtree(NETNS_ETC / namespace, ignore_errors=True)


def pids_in(namespace: str) -> list[int]:
    """Returns the processes in a namespace."""
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


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
