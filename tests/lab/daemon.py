"""A real `mycelium` daemon in a namespace, with its own key, log and API socket."""

import contextlib
import http.client
import ipaddress
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mycelium.admin.keyfile import create_identity
from mycelium.api.client import UnixConnection
from mycelium.identity import SEED_BYTES, blake2b
from tests.lab.namespaces import LabHost
from tests.lab.process import cpu_seconds, description, rss_bytes
from tests.lab.waiting import PATIENCE_S, wait_until

PROGRAM: Final = Path(sys.executable).with_name("mycelium")
PORT: Final = 9651
TUN: Final = "tun0"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 10.0
LOG_TAIL_BYTES: Final = 4_000


class LabDaemon:
    """One node: its key, its files, and its process, which may be started and stopped many times.

    The key is that of the host's name unless `seed` is given: what depends on the order of keys is the same in each run.
    """

    def __init__(
        self,
        host: LabHost,
        directory: Path,
        *,
        options: Sequence[str | Path] = (),
        discovers: bool = False,
        seed: bytes | None = None,
    ) -> None:
        self.host = host
        self.name = host.name
        self.options = [str(option) for option in options]
        self.peers: list[str] = []
        self.discovers = discovers  # finds neighbours on its cables by beacons; otherwise it knows its peers only
        self.key_file = directory / f"{host.name}.key"
        self.log_file = directory / f"{host.name}.log"
        self.api_socket = directory / f"{host.name}.sock"
        self.has_tun = "--no-tun" not in self.options
        identity = create_identity(self.key_file, seed or blake2b(host.name.encode(), size=SEED_BYTES))
        self.public_key = identity.exchange_public_key.hex()
        self.address = str(ipaddress.IPv6Address(identity.address))
        self.subnet = str(ipaddress.IPv6Network((identity.address, 64), strict=False))
        self.is_traced = False  # traceroute sends packets that expire on the way; nothing else may
        self._expired = 0  # packets that expired in earlier processes of this node
        self._freezes = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def epoch_file(self) -> Path:
        """The file that holds the epoch of the last start."""
        return self.key_file.with_name(self.key_file.name + ".epoch")

    @property
    def pid(self) -> int:
        """The process ID; the daemon must be running."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Tells whether the process is running."""
        return self._process is not None and self._process.poll() is None

    def arguments(self) -> list[str]:
        """Returns the command line it is started with."""
        peers = ["--peers", *self.peers] if self.peers else []
        tun = ["--tun-name", TUN] if self.has_tun else []
        own = ["--key-file", self.key_file, "--api-addr", f"unix:{self.api_socket}", "--debug"]
        lonely = [] if self.discovers else ["--disable-peer-discovery"]
        everything = [] if {"--policy", "--config-file"} & {*self.options} else ["--policy", "open"]
        return [str(word) for word in (PROGRAM, *peers, *own, *tun, *lonely, *everything, *self.options)]

    def start(self) -> None:
        """Starts the process and returns at once; `wait_ready` waits for it."""
        own = {"XDG_CONFIG_HOME": str(self.key_file.parent / "no-config"), "PYTHONFAULTHANDLER": "1"}
        environment = {**os.environ, **own}
        with self.log_file.open("a") as log:
            self._process = self.host.start(*self.arguments(), stdout=log, stderr=subprocess.STDOUT, env=environment)

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Waits until the API answers; fails at once if the process has ended."""

        def answers() -> bool:
            assert self.is_running, f"{self.name} ended on its own:\n{self.log_tail()}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                return bool(self.get("admin"))
            return False

        wait_until(answers, seconds, lambda: f"{self.name} answers; {self.last_words()}")

    def last_words(self) -> str:
        """Aborts the process, which does not do as it should, and returns what it did: in the kernel, and in Python."""
        assert self._process is not None, f"{self.name} does not run"
        told = description(self.pid)
        self._process.send_signal(signal.SIGABRT)  # upon which Python writes the stacks of all threads
        self._process.send_signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
        return f"{told}\nits log:\n{self.log_tail()}"

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = STOP_SECONDS) -> int:
        """Ends the daemon with a signal and returns its exit status."""
        assert self._process is not None, f"{self.name} does not run"
        self._expired = self._count_expired()
        self._process.send_signal(sign)
        status = self._process.wait(seconds)
        self._process = None
        return status

    def kill(self) -> None:
        """Kills the daemon with SIGKILL."""
        self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """Stops the process with SIGSTOP, as a busy scheduler or a suspended laptop would."""
        self._freezes += 1
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets the process run again, once it is thawed as often as it was frozen."""
        self._freezes -= 1
        if not self._freezes:
            self._signal(signal.SIGCONT)

    def _signal(self, sign: signal.Signals) -> None:
        """Sends a signal to the process, if it has not ended meanwhile."""
        if self._process is not None:
            self._process.send_signal(sign)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freezes the process inside the `with` block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def get(self, path: str) -> Any:
        """Returns the JSON of GET /api/v1/PATH; raises OSError while nothing answers."""
        return json.loads(self._fetch(f"/api/v1/{path}"))

    def scrape(self) -> str:
        """Returns what Prometheus reads."""
        return self._fetch("/metrics").decode()

    def _fetch(self, path: str) -> bytes:
        connection = UnixConnection(str(self.api_socket), timeout_s=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, f"{self.name}: {response.status} {body!r} for {path}"
        return body

    def cli(self, *arguments: str) -> Any:
        """Returns the JSON that the command line prints about this daemon."""
        address = ("--api-addr", f"unix:{self.api_socket}")
        return json.loads(self.host.run(PROGRAM, *address, *arguments, "--json").stdout)

    def alive_peers(self) -> set[str]:
        """Returns the public keys of the neighbours that it has a live link to."""
        peers = self.get("admin/peers")
        return {peer["publicKey"] for peer in peers if peer["connectionState"] == "alive"}

    def slowest_round_trip_s(self) -> float:
        """Returns the longest smoothed round trip to any neighbour, in seconds."""
        return max((peer["smoothedRttMs"] or 0.0 for peer in self.get("admin/peers")), default=0.0) / 1e3

    def reachable_subnets(self) -> set[str]:
        """Returns the overlay prefixes that it has a selected route to."""
        return {route["subnet"] for route in self.get("admin/routes/selected")}

    def next_hops(self) -> dict[str, str]:
        """Returns the overlay address of the next hop to each prefix that it has a selected route to."""
        return {route["subnet"]: route["nextHop"] for route in self.get("admin/routes/selected")}

    def counters(self) -> dict[str, int]:
        """Returns its counters, by name."""
        return dict(self.get("admin/status")["counters"])

    def events(self, after: int = 0, kind: str | None = None) -> list[dict[str, Any]]:
        """Returns the journal's entries after number `after`, of one kind or of all kinds."""
        told = self.get(f"admin/events?after={after}")
        return [event for event in told if kind in (None, event["kind"])]

    def newest_event(self) -> int:
        """Returns the number of the newest entry of its journal."""
        return max((event["sequence"] for event in self.events()), default=0)

    def rss_bytes(self) -> int:
        """Returns the memory that the process holds."""
        return rss_bytes(self.pid)

    def cpu_seconds(self) -> float:
        """Returns the processor time that the process has used."""
        return cpu_seconds(self.pid)

    def log(self) -> str:
        """Returns what the daemon has written."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def complaint(self) -> str:
        """Returns what no test may cause: the process ended, raised an exception, or saw packets loop; empty if all is well."""
        if self._process is not None and not self.is_running:
            return f"{self.name} ended on its own with status {self._process.returncode}"
        if "Traceback" in self.log():
            return f"{self.name} had an error"
        expired = 0 if self.is_traced else self._count_expired()
        return f"{self.name} saw {expired} packets die at their hop limit: was there a loop?" if expired else ""

    def _count_expired(self) -> int:
        """Returns how many packets have expired at their hop limit in all processes of this node that could be asked."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._expired + self.counters()["trains_hop_limit"]
        return self._expired

    def log_tail(self) -> str:
        """Returns the end of what the daemon has written."""
        return self.log()[-LOG_TAIL_BYTES:]


def start_all(daemons: Sequence[LabDaemon]) -> None:
    """Starts daemons together and waits until all of them answer."""
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        daemon.wait_ready(START_SECONDS + len(daemons))  # they share few cores
