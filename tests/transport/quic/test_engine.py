"""Connections as the library makes them: with any certificate, and with the newest one of this node."""

from pathlib import Path

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.certificate import LOOK_AGAIN_S, ServerCertificate, self_signed
from mycelium.transport.quic.connection import QuicPipe
from mycelium.transport.quic.counters import QuicCounters
from mycelium.transport.quic.engine import Engine
from tests.transport.quic.support import certificate

HERE, THERE = Endpoint("quic", "10.0.0.1", 9651), Endpoint("quic", "10.0.0.2", 9651)


def opened(dialling: Engine, accepting: Engine, *, now: float) -> tuple[QuicPipe, QuicPipe]:
    """Returns both ends of a connection, once each has said what it can."""
    one = dialling.dial(THERE, THERE, now=now)
    packets = one.pump(now=now)
    other = accepting.judge(packets[0], HERE, HERE, 0, now=now)
    assert isinstance(other, QuicPipe)
    for step in range(1, 8):
        for packet in packets:
            other.receive(packet, len(packet), now=now + step * 0.01)
        for packet in other.pump(now=now + step * 0.01):
            one.receive(packet, len(packet), now=now + step * 0.01)
        packets = one.pump(now=now + step * 0.01 + 0.005)
    return one, other


def engine(shown: ServerCertificate) -> Engine:
    return Engine(shown, QuicCounters(), now=0.0)


def test_a_self_made_certificate_opens_a_connection() -> None:
    one, other = opened(engine(certificate()), engine(certificate()), now=0.0)
    assert one.is_open
    assert other.is_open
    assert not other.is_admitted


def write(folder: Path) -> tuple[Path, Path]:
    secret, separator, shown = self_signed().partition(b"-----BEGIN CERTIFICATE-----")
    files = folder / "site.crt", folder / "site.key"
    files[0].write_bytes(separator + shown)
    files[1].write_bytes(secret)
    return files


def test_certificate_files_are_shown_and_those_that_replace_them_once_they_do(tmp_path: Path) -> None:
    files = write(tmp_path)
    accepting = engine(ServerCertificate(files, now=0.0))
    seen = []
    for now in (1.0, 2.0, 2.0 + LOOK_AGAIN_S):
        one, _ = opened(engine(certificate()), accepting, now=now)
        peer = one._quic.get_peercert()
        assert peer is not None
        seen.append(peer.serial_number)
        if now == 2.0:
            write(tmp_path)
    assert seen[0] == seen[1] != seen[2]


def test_strangers_can_have_the_library_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one, other = opened(engine(certificate()), engine(certificate()), now=0.0)
    for packet in one.close(now=1.0):
        with pytest.raises(EOFError):
            other.receive(packet, len(packet), now=1.0)
    assert not caplog.records
