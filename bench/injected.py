"""What TCP over a link keeps of its speed while an eavesdropper injects chunks of frames that are yet to come.

    ./dev bench injected
    ./dev bench injected --rates 2000 20000 --seconds 4

He sees what one end of the link sends, and sends chunks of its next frames in its name, all right but for a tag that he has to
guess. The speed before is that with him only listening, since all share this machine's processors; as root.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final

from bench.support.report import Row, print_table, progress, write_json_lines
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD
from tests.lab.capture import Capture, Forger
from tests.lab.daemon import PORT
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh
from tests.lab.traffic import iperf

COLUMNS: Final = ("chunks a second", "TCP before, Mbit/s", "meanwhile", "kept, %", "frames given up", "fails")
AHEAD: Final = 4  # frames after the newest one that chunks are made for
TURN_S: Final = 1e-3
KEPT: Final = 0.8


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[2_000.0, 20_000.0], help="chunks a second")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=3, help="of each, by turns; the medians count")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    given = parser.parse_args()
    with Lab() as lab, tempfile.TemporaryDirectory() as directory:
        mesh = DaemonMesh(lab, Path(directory), [("a", "b")])
        mesh.start("ab")
        mesh.wait_converged()
        rows = [_row(mesh, rate, given.seconds, given.runs) for rate in given.rates]
    print_table(rows, COLUMNS)
    write_json_lines(rows, given.json)


class Injector:
    """Listens to what `a` sends to `b` while this is entered, and injects chunks at a rate; `sent` counts them."""

    def __init__(self, mesh: DaemonMesh, per_second: float) -> None:
        sender, cable = mesh["a"].host, mesh.cable("a", "b")
        self._heard = Capture(sender, cable.end(sender).interface, PORT, keeps_newest=True)
        self._forger = Forger(sender, (cable.end(sender).ipv4, PORT), (cable.far_end(sender).ipv4, PORT))
        self._per_second = per_second
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._inject)
        self.sent = 0

    def __enter__(self) -> "Injector":
        self._heard.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._forger.__exit__(kind, error, trace)
        self._heard.__exit__(kind, error, trace)

    def _inject(self) -> None:
        begin = time.monotonic()
        while not self._is_over.wait(TURN_S):
            newest = self._heard.payloads[-1] if self._heard.payloads else b""
            if len(newest) > CHUNK_HEAD.size and newest[0] == CHUNK:
                owed = int((time.monotonic() - begin) * self._per_second) - self.sent
                for number in range(owed):
                    self._forger.send(_forged(newest, 1 + number % AHEAD))
                self.sent += max(owed, 0)


def _forged(chunk: bytes, ahead: int) -> bytes:
    """Returns a chunk of a later frame than the one that a chunk is of, as long as that one, with a byte of its contents."""
    word, index, counter, tag_and_size, room, pad = CHUNK_HEAD.unpack_from(chunk)
    tag_and_size ^= int.from_bytes(os.urandom(2), "big") << 18 & 0xFFFF_FFFF
    return CHUNK_HEAD.pack(word, index, counter + ahead, tag_and_size, room, pad) + os.urandom(1)


def _row(mesh: DaemonMesh, per_second: float, seconds: float, runs: int) -> Row:
    before, meanwhile, given_up = [], [], mesh["b"].counters()["frames_given_up"]
    for run in range(runs):
        before.append(_megabits(mesh, 0.0, seconds)[0])
        speed, injected = _megabits(mesh, per_second, seconds)
        meanwhile.append(speed)
        progress(f"{injected / seconds:,.0f} chunks a second: {before[-1]:,.0f} to {speed:,.0f} Mbit/s, run {run + 1}")
    kept = median(meanwhile) / median(before)
    lost = mesh["b"].counters()["frames_given_up"] - given_up
    figures = round(median(before)), round(median(meanwhile)), round(100 * kept), lost, "-" if kept >= KEPT else "kept"
    return dict(zip(COLUMNS, (per_second, *figures), strict=True))


def _megabits(mesh: DaemonMesh, per_second: float, seconds: float) -> tuple[float, int]:
    """Returns the speed of TCP while chunks are injected at a rate, and how many there were."""
    one, two = mesh["a"], mesh["b"]
    with Injector(mesh, per_second) as injector:
        report = iperf(one.host, two.host, two.address, seconds=seconds)
    return report["end"]["sum_received"]["bits_per_second"] / 1e6, injector.sent


if __name__ == "__main__":
    main()
