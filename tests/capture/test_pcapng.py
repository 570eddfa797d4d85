"""Capture files: scapy reads what we write, we read it back in pieces of any size, and say what is damaged."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.utils import PcapNgReader

from mycelium.capture.pcapng import (
    Captured,
    CapturedDatagram,
    CapturedKeys,
    CaptureDrops,
    CaptureReader,
    datagram_block,
    drops_block,
    head,
    keys_block,
    whole_blocks,
)
from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError

V4 = Endpoint("udp", "192.0.2.7", 9651, local=bytes((192, 0, 2, 1)), local_port=7777)
V6 = Endpoint("tcp", "2001:db8::7", 443, scope=0)
NAME = Endpoint("wss", "hub.example.org", 443, site="/path")
AT = 1_795_000_000.123456
FILE = b"".join(
    (
        head(),
        keys_block("link 1 2 3 4\n"),
        datagram_block(b"\x14sent", V4, str(V4), is_sent=True, at=AT),
        datagram_block(b"\x15received", V6, str(V6), is_sent=False, at=AT + 1),
        drops_block(7, at=AT),
        datagram_block(b"\x16named", NAME, str(NAME), is_sent=True, at=AT + 2),
    )
)
CONTENT: list[Captured] = [
    CapturedKeys("link 1 2 3 4\n"),
    CapturedDatagram(AT, True, "udp://192.0.2.7:9651", b"\x14sent"),
    CapturedDatagram(AT + 1, False, "tcp://[2001:db8::7]:443", b"\x15received"),
    CaptureDrops(7),
    CapturedDatagram(AT + 2, True, "wss://hub.example.org:443/path", b"\x16named"),
]


def test_scapy_reads_addresses_ports_times_and_datagrams(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(FILE)
    with PcapNgReader(str(path)) as reader:
        first, second, third = list(reader)
    assert (first.src, first.dst, first[UDP].sport, first[UDP].dport) == ("192.0.2.1", "192.0.2.7", 7777, 9651)
    assert (second.src, second.dst, second[UDP].sport, second[UDP].dport) == ("2001:db8::7", "::", 443, 0)
    assert [bytes(one[UDP].payload) for one in (first, second, third)] == [b"\x14sent", b"\x15received", b"\x16named"]
    assert float(first.time) == pytest.approx(AT, abs=2e-6)
    assert first.comment == b"udp://192.0.2.7:9651"


@given(st.integers(1, 200))
def test_it_is_read_back_in_pieces_of_any_size(size: int) -> None:
    reader = CaptureReader()
    found = [one for at in range(0, len(FILE), size) for one in reader.feed(FILE[at : at + size])]
    assert found == CONTENT
    assert not reader.holds_more


def test_a_datagram_that_no_ip_packet_holds_is_kept_whole() -> None:
    data = bytes(70_000)
    [found] = CaptureReader().feed(datagram_block(data, V4, str(V4), is_sent=True, at=AT))
    assert isinstance(found, CapturedDatagram)
    assert found.data == data


def test_an_end_in_the_middle_is_seen() -> None:
    reader = CaptureReader()
    assert list(reader.feed(FILE[:-1])) == CONTENT[:-1]
    assert reader.holds_more


@given(st.integers(1, 40), st.integers(0, len(FILE)))
def test_what_is_passed_on_has_whole_blocks_only_and_all_of_them(size: int, end: int) -> None:
    cut_off = FILE[:end]
    passed = b"".join(whole_blocks(cut_off[at : at + size] for at in range(0, end, size)))
    reader = CaptureReader()
    assert FILE.startswith(passed)
    assert list(reader.feed(passed)) == list(CaptureReader().feed(cut_off))
    assert not reader.holds_more


def test_blocks_of_others_are_skipped_and_files_of_others_refused() -> None:
    foreign = struct.pack("<IIII", 0xBAD, 16, 0, 16) + struct.pack("<IIIIII", 10, 24, 0x544C534B, 4, 0, 24)
    assert list(CaptureReader().feed(foreign)) == []
    big_endian = struct.pack("<II", 0x0A0D0D0A, 28) + struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1) + struct.pack("<I", 28)
    with pytest.raises(DecodeError, match="big-endian"):
        list(CaptureReader().feed(big_endian))


@given(st.binary(min_size=8, max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for start in (b"", struct.pack("<II", 6, 36), struct.pack("<II", 10, 28), struct.pack("<II", 5, 24)):
        try:
            list(CaptureReader().feed(start + data))
        except DecodeError:
            continue
