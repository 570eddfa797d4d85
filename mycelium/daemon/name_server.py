"""Answers programs of this host that ask for names of nodes, at the node's own overlay address.

It answers for nothing but the zone of these names, and nobody but this host. systemd-resolved is told to ask here for that zone
alone (split DNS), where it runs; nothing else of the host's set-up of the DNS is touched.
"""

import asyncio
import errno
import logging
import shutil
import socket
import subprocess
from time import monotonic
from typing import Final

from mycelium.admin.service_unit import runs_resolved
from mycelium.daemon.threads import in_thread
from mycelium.errors import DecodeError
from mycelium.node.zone import Zone
from mycelium.packet.dns import MOST_BYTES, NAME_ERROR, REFUSED, answer_to, read_question

log = logging.getLogger("mycelium")

PORT: Final = 53
TTL_S: Final = 10  # that programs may keep an answer
READS_PER_WAKE: Final = 16
LOOK_AGAIN_S: Final = 10.0  # between looks at whether the device is another one, which systemd-resolved does not know
COMMAND_TIMEOUT_S: Final = 10.0


class NameServer:
    """The server of one node; it serves from `open` to `close`."""

    def __init__(self, zone: Zone, address: str) -> None:
        self._zone = zone
        self._address = address
        self._socket: socket.socket | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to answer; a log line where that can't be, which keeps no node from its mesh."""
        server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            server.bind((self._address, PORT))
        except OSError as error:
            server.close()
            log.warning("names of nodes can't be looked up at port %d: %s", PORT, _explained(error))
            return
        self._socket = server
        loop.add_reader(server.fileno(), self._on_readable, server)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends it."""
        if self._socket is not None:
            loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def answer(self, query: bytes, *, now: float) -> bytes | None:
        """Returns the response to a query; None where there is nothing to be said."""
        try:
            question = read_question(query)
        except DecodeError:
            return None
        if not self._zone.holds(question.name):
            return answer_to(question, status=REFUSED)
        if self._zone.is_above_names(question.name):
            return answer_to(question)  # an error would say that there is nothing below it either (RFC 8020)
        address = self._zone.address_of(question.name, now=now)
        return answer_to(question, status=NAME_ERROR) if address is None else answer_to(question, address, ttl_s=TTL_S)

    def _on_readable(self, server: socket.socket) -> None:
        for _ in range(READS_PER_WAKE):
            try:
                query, source = server.recvfrom(MOST_BYTES + 1)
                if source[0] == self._address and (response := self.answer(query, now=monotonic())) is not None:
                    server.sendto(response, source)
            except OSError:  # nothing left, or the answer finds no way
                return

    async def introduce(self, device: str, *, has_hosts_file: bool) -> None:
        """Has systemd-resolved ask here for the zone, whenever it does not know the device, until this is cancelled."""
        told = 0
        if self._zone.has_announced_names and not runs_resolved() and not has_hosts_file:
            log.info(
                "programs do not find nodes as NAME%s: systemd-resolved does not run here; install it, or have names kept in "
                "a file (--hosts-file /etc/hosts)",
                self._zone.suffix,
            )
        while self._socket is not None and runs_resolved() and (program := shutil.which("resolvectl")):
            index = _index_of(device)
            if index and index != told:
                await self._tell(program, device)
                told = index
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _tell(self, program: str, device: str) -> None:
        words = (("dns", device, self._address), ("domain", device, f"~{self._zone.domain}"))
        for command in words:
            try:
                await in_thread(lambda command=command: _run(program, *command))  # type: ignore[misc]
            except (OSError, subprocess.SubprocessError) as error:
                log.warning("systemd-resolved does not ask for names of nodes: %s", error)
                return


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"'{' '.join(command)}' failed: {done.stderr.strip() or done.returncode}")


def _index_of(device: str) -> int:
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


def _explained(error: OSError) -> str:
    match error.errno:
        case errno.EACCES:
            return "it takes root or CAP_NET_BIND_SERVICE"
        case errno.EADDRINUSE:
            return "another server of names has taken it at all addresses of this host"
    return error.strerror or str(error)
