"""Captures and forges UDP over IPv4 in a namespace, as an attacker on the wire can."""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Final

from tests.lab.namespaces import LabHost

ETH_P_ALL: Final = 3
PACKET_BYTES: Final = 70_000
IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
UDP: Final = struct.Struct("!HHHH")


class Capture:
    """Collects payloads and traffic classes of UDP datagrams to a port that cross an interface, while it is entered.

    It ends with `most` of them, or with `keeps_newest` keeps the newest one only.
    """

    def __init__(
        self, host: LabHost, interface: str, port: int, *, most: int = 20_000, keeps_newest: bool = False
    ) -> None:
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.1)
        self._port = port
        self._most = most
        self._keeps_newest = keeps_newest
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self.payloads: list[bytes] = []
        self.classes: list[int] = []

    def __enter__(self) -> "Capture":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._done.is_set() and len(self.payloads) < self._most:
            with contextlib.suppress(TimeoutError):
                packet = self._socket.recv(PACKET_BYTES)
                payload = _udp_payload(packet, self._port)
                if payload:
                    self._keep(payload, packet[1])

    def _keep(self, payload: bytes, traffic_class: int) -> None:
        if self._keeps_newest:
            self.payloads, self.classes = [payload], [traffic_class]
        else:
            self.payloads.append(payload)
            self.classes.append(traffic_class)


def _udp_payload(packet: bytes, port: int) -> bytes:
    if len(packet) < IPV4.size + UDP.size or packet[0] != 0x45 or packet[9] != socket.IPPROTO_UDP:
        return b""
    if UDP.unpack_from(packet, IPV4.size)[1] != port:
        return b""
    return packet[IPV4.size + UDP.size :]


class Forger:
    """Sends UDP datagrams from any IPv4 address and port, out of a host."""

    def __init__(self, host: LabHost, source: tuple[str, int], target: tuple[str, int]) -> None:
        with host.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._source = socket.inet_aton(source[0])
        self._target = socket.inet_aton(target[0])
        self._ports = (source[1], target[1])
        self._to = (target[0], 0)

    def __enter__(self) -> "Forger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, payload: bytes) -> None:
        """Sends one datagram; the kernel fills in lengths and the checksum of IPv4, and UDP does without."""
        length = UDP.size + len(payload)
        ip = IPV4.pack(0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0, self._source, self._target)
        self._socket.sendto(ip + UDP.pack(*self._ports, length, 0) + payload, self._to)
