"""Floods a host with datagrams of mixed sizes, and counts what arrives; iperf3 knows one size only.

python -m bench.support.mix ADDRESS PORT SECONDS      sends
"""

import itertools
import socket
import sys
import time
from pathlib import Path
from typing import Final

from tests.lab.namespaces import LabHost

REPOSITORY: Final = Path(__file__).parents[2]
IMIX: Final = (64,) * 7 + (576,) * 4 + (1_300,)  # payload sizes as "simple IMIX" mixes them, the largest within the MTU
PORT: Final = 20_900
RECEIVE_BYTES: Final = 16 << 20
AT_ONCE: Final = 64  # datagrams between two looks at the clock
SO_RCVBUFFORCE: Final = 33
LAST_S: Final = 0.3  # what has not come after this long is lost


def mixed_flood(client: LabHost, server: LabHost, address: str, *, seconds: float) -> float:
    """Returns how many datagrams a second are delivered under a flood of mixed sizes."""
    with server.entered():
        udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    with udp:
        udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        udp.bind((address, PORT))
        udp.settimeout(5)
        command = (sys.executable, "-m", "bench.support.mix", address, str(PORT), str(seconds))
        sending = client.start(*command, cwd=REPOSITORY)
        buffer, count = bytearray(2_000), 1
        udp.recv_into(buffer)
        begin = last = time.monotonic()
        udp.settimeout(LAST_S)
        try:
            while True:
                udp.recv_into(buffer)
                count += 1
        except TimeoutError:
            last = time.monotonic() - LAST_S
        sending.wait()
    return count / (last - begin)


def send(address: str, port: int, seconds: float) -> None:
    """Sends datagrams of mixed sizes for some seconds, as fast as it goes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sizes = itertools.cycle([bytes(size) for size in IMIX])
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.connect((address, port))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for data in itertools.islice(sizes, AT_ONCE):
                udp.send(data)


if __name__ == "__main__":
    send(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
