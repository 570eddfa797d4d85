"""Datagrams of a virtual network taken apart: nothing sealed stays so where the capture has its key, and nothing breaks it."""

import importlib
import pkgutil
import re
from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium import wire
from mycelium.capture.dissector import FRAMES, TITLES, Dissector
from mycelium.capture.keys import KnownKey
from mycelium.capture.trains import proof_fields
from mycelium.errors import DecodeError
from mycelium.wire import frame, train
from mycelium.wire.control import Item, encode_item
from mycelium.wire.datagram import TYPES
from mycelium.wire.knock import encode_knock
from mycelium.wire.lease import LEASE_BIND, LEASE_CHALLENGE, encode_bind
from mycelium.wire.membership import CERTIFICATE_BYTES
from mycelium.wire.session_proof import CertificatePart, MemberWanted
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.capture.support import all_parts, dissected, titles
from tests.fuzz.seeds import items, of_handshakes
from tests.support.small_meshes import deliver, line, link_of, ping, ready_line, square

KINDS_OF_DATAGRAMS: Final = r"(?!.*_(BYTES|SHIFT|BITS)$)[A-Z][A-Z_0-9]*"


@pytest.fixture(scope="module")
def net() -> NodeNet:
    """A line from its first handshake on, with pings short and long, an echo, a cut that repairs, and a goodbye."""
    made = NodeNet()
    made.capture = []
    line(made, "abc")
    made.run(5)
    deliver(made, "a", "c")
    ping(made, "a", "c", size=9_000)
    made.hosts["a"].node.echoes.ask(made.hosts["c"].address, now=made.now)
    made.drain("a")
    made.run(1)
    return made


def test_what_an_end_sees_is_opened_to_the_packets(net: NodeNet) -> None:
    parts = dissected(net, "a")
    assert {"handshake 1", "handshake 2", "frame", "chunk", "control", "probe", "data"} <= titles(parts)
    assert {"session request", "session reply", "train", "packet, ICMPv6", "echo", "update"} <= titles(parts)
    sealed = [one for one in all_parts(parts) if "unreadable" in one.fields or "sealed" in one.fields]
    assert sealed == []
    [own] = [one for one in all_parts(parts) if one.title == "update" and one.fields["metric"] == 0][:1]
    assert own.fields["sequence"] > 0
    assert {"wants reply", "is reply"} <= {name for one in all_parts(parts) for name in one.fields}
    [packet] = [one for one in all_parts(parts) if one.title == "packet, ICMPv6" and one.fields["bytes"] > 9_000]
    assert packet.fields["from"] == net.hosts["a"].address_text
    assert packet.fields["to"] == net.hosts["c"].address_text


def test_a_relay_sees_trains_that_it_cannot_open(net: NodeNet) -> None:
    parts = dissected(net, "b")
    assert not {"packet, ICMPv6", "echo"} & titles(parts)
    sealed = [one for one in all_parts(parts) if "sealed" in one.fields]
    assert {one.title for one in sealed} == {"train"}
    assert sealed[0].fields["sealed"].startswith("for other nodes")


def test_without_keys_the_heads_are_told(net: NodeNet) -> None:
    dissector = Dissector()
    assert net.capture is not None
    for _, _, data in net.capture:
        part = dissector.take(data, is_sent=True)
        assert part.title != "unknown"
        assert ("unreadable" in part.fields) is (part.title in ("frame", "chunk", "size probe"))
        assert len("\n".join(part.lines())) > 10


def test_each_control_message_has_a_title() -> None:
    made = ready_line("ab")
    made.capture = []
    control = link_of(made, "a", "b")._control
    for item in items():
        control._channel.send(encode_item(item))
    control.flush(now=made.now)
    made.drain("a")
    made.run(0.1)
    told = titles(dissected(made, "b"))
    assert {"pin", "member proof", "removals", "known peers", "lease answer"} <= told
    assert {type(item) for item in items()} == set(get_args(Item)), "the messages above are not all there are"


def test_each_kind_of_datagram_and_of_frame_has_words() -> None:
    modules = [importlib.import_module(f"mycelium.wire.{one.name}") for one in pkgutil.iter_modules(wire.__path__)]
    numbers = {
        name: value
        for module in modules
        if module is not train
        for name, value in vars(module).items()
        if isinstance(value, int) and value in TYPES and re.fullmatch(KINDS_OF_DATAGRAMS, name)
    }
    assert ("KNOCK" in numbers, set(numbers.values())) == (True, set(TITLES))
    assert {getattr(frame, name) for name in vars(frame) if re.fullmatch("[A-Z]+", name)} == set(FRAMES)


def test_datagrams_of_those_who_join_lease_and_knock_are_told() -> None:
    nonce = bytes(range(16))
    made = {
        "bind of a lease": encode_bind(LEASE_BIND, nonce, bytes(16)),
        "challenge of a lease": encode_bind(LEASE_CHALLENGE, nonce, bytes(16)),
        "knock": encode_knock(nonce),
        "join request": of_handshakes()["join request"],
        "join reply": of_handshakes()["join reply"],
    }
    dissector = Dissector()
    for title, data in made.items():
        part = dissector.take(data, is_sent=True)
        assert part.title == title
        assert "version" in part.fields or part.fields["nonce"] == nonce.hex()
        assert "unreadable" in dissector.take(data[:3], is_sent=True).fields


def test_closes_and_size_probes_are_told() -> None:
    net = ready_line("ab")
    net.capture = []
    net.close("a")
    net.run(0.5)
    assert "close" in titles(dissected(net, "b"))
    probed = NodeNet()
    probed.capture = []
    line(probed, "ab")
    probed.run(8)
    assert "size probe" in titles(dissected(probed, "a"))


def test_proofs_of_keys_are_told() -> None:
    net = NodeNet()
    for name in "ab":
        net.add(name)
    net.connect("a", "b")
    net.capture = []
    b = net.hosts["b"]
    pin, fingerprint = b.identity.exchange_public_key, b.node.prover.fingerprint
    net.hosts["a"].running.act(net.hosts["a"].node.add_peer, url_of("b"), pin=pin, fingerprint=fingerprint)
    net.run(3)
    proofs = [part.fields for part in all_parts(dissected(net, "a")) if part.title == "key proof"]
    told = {key for fields in proofs for key in fields}
    assert {"wants key", "has parts", "part", "is accepted"} <= told
    ping(net, "a", "b")
    net.run(1)
    proofs = [part.fields for part in all_parts(dissected(net, "a")) if part.title == "session proof"]
    told = {key for fields in proofs for key in fields}
    assert {"wants key", "has parts", "part", "is accepted"} <= told
    assert "sealed" not in told


def test_certificates_in_sessions_are_told() -> None:
    assert proof_fields(MemberWanted(0b11, 0b111)) == {"wants certificates": True, "has parts": 5}
    assert proof_fields(CertificatePart(3, CERTIFICATE_BYTES, b"")) == {"part of certificates": 3}


def test_repairs_are_told() -> None:
    net = square()
    dropped: list[bytes] = []
    net.capture = []

    def drop(sender: str, receiver: str, data: bytes) -> bool:
        is_dropped = len(data) > 1_000 and not dropped
        dropped.extend([data] if is_dropped else [])
        return is_dropped

    net.drop = drop
    for _ in range(4):
        ping(net, "a", "b", size=4_000)
        net.run(0.1)
    assert {"repair", "wanted"} <= titles(dissected(net, "a"))


@given(st.sampled_from(TYPES), st.binary(max_size=120))
def test_any_bytes_are_told(kind: int, data: bytes) -> None:
    dissector = Dissector()
    dissector.learn([KnownKey("link", 0, 2, bytes(32), bytes(16), is_sent=True)])
    for content in (data, bytes((kind,)) + data, bytes((kind, *bytes(7))) + data):
        assert dissector.take(content, is_sent=True).title


@pytest.mark.parametrize(("suite", "key"), [(7, bytes(32)), (2, bytes(31))])
def test_a_key_that_no_cipher_has_is_refused(suite: int, key: bytes) -> None:
    with pytest.raises(DecodeError, match="unknown suite or length"):
        Dissector().learn([KnownKey("link", 1, suite, key, bytes(16), is_sent=True)])
