"""Asking a member over loopback: it answers, refuses, or is silent."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mycelium.admin.join_uri import JoinUri
from mycelium.crypto.join_handshake import JoinRequest, part_in, read_request, secret_of
from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon import joining
from mycelium.daemon.joining import ask_to_join
from mycelium.errors import LocalError
from mycelium.peer_url import PeerUrl
from mycelium.wire.join import JOIN_BYTES, JoinAnswer, JoinStatus, encode_answer
from tests.crypto.support import ALICE, BOB, entropy_of

TOKEN = bytes(range(16))
GRANTED = JoinAnswer(JoinStatus.GRANTED, b"k" * 32, "corp", "laptop")


@contextmanager
def member(*answers: JoinAnswer | bytes, scheme: str = "udp") -> Iterator[PeerUrl]:
    """A member that answers the first request with each of these in turn."""

    opened: list[JoinRequest] = []

    def reply_to(request: bytes, answer: JoinAnswer | bytes) -> bytes:
        if isinstance(answer, bytes):
            return answer
        part = part_in(request)
        if not part:
            opened.append(read_request(BOB, secret_of(TOKEN), request, RealPrimitives()))
        parts = encode_answer(answer)
        return opened[0].reply(part, parts[part], entropy=entropy_of(3 + part), primitives=RealPrimitives())

    def serve() -> None:
        if scheme == "tcp":
            listener.listen()
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(2 + JOIN_BYTES, socket.MSG_WAITALL)[2:]
                for answer in answers:
                    connection.sendall(JOIN_BYTES.to_bytes(2, "big") + reply_to(request, answer))
                connection.recv(1)  # until the other end closes
            return
        request, source = listener.recvfrom(2_000)
        for answer in answers:
            listener.sendto(reply_to(request, answer), source)
        for _ in encode_answer(answers[-1])[1:] if isinstance(answers[-1], JoinAnswer) else ():
            request, source = listener.recvfrom(2_000)
            listener.sendto(reply_to(request, answers[-1]), source)

    kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield PeerUrl(scheme, "127.0.0.1", listener.getsockname()[1], BOB.exchange_public_key)
        thread.join(10)


def ask(*peers: PeerUrl) -> JoinAnswer:
    return asyncio.run(ask_to_join(JoinUri(peers, "corp", TOKEN), ALICE))


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_what_the_member_grants_comes_back(scheme: str) -> None:
    with member(GRANTED, scheme=scheme) as url:
        assert ask(url) == GRANTED


def test_a_long_answer_is_asked_for_in_parts() -> None:
    long = JoinAnswer(JoinStatus.GRANTED, b"k" * 32, "corp", "laptop", bytes(range(256)) * 40)
    with member(long) as url:
        assert ask(url) == long


def test_further_parts_are_asked_of_where_the_first_one_came_from() -> None:
    long = JoinAnswer(JoinStatus.GRANTED, b"k" * 32, "corp", "laptop", bytes(1_000))
    with member(long) as url, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.setblocking(False)
        elsewhere = PeerUrl("udp", "127.0.0.1", other.getsockname()[1], BOB.exchange_public_key)
        assert ask(url, elsewhere) == long
        asked = []
        with contextlib.suppress(BlockingIOError):
            while True:
                asked.append(part_in(other.recv(2_000)))
    assert set(asked) == {0}


def test_forged_replies_are_passed_over() -> None:
    with member(b"\x1b\x01", b"\x1b\x01".ljust(JOIN_BYTES, b"x"), b"?", GRANTED) as url:
        assert ask(url) == GRANTED


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (JoinStatus.USED, "it was used already, as often as it may be"),
        (JoinStatus.EXPIRED, "it has expired"),
        (JoinStatus.FAILED, "can't note that it is used, as its log says"),
        (JoinStatus.MAY_NOT, "may not invite any more"),
        (77, "for a reason that only a newer mycelium knows"),
    ],
)
def test_a_refusal_is_told_in_words(status: int, told: str) -> None:
    with member(JoinAnswer(status)) as url, pytest.raises(LocalError, match=f"the invitation is refused: .*{told}"):
        ask(url)


def test_silence_is_told_with_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PATIENCE_S", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        url = PeerUrl("udp", "127.0.0.1", silent.getsockname()[1], BOB.exchange_public_key)
        with pytest.raises(
            LocalError, match=rf"no answer from udp://127.0.0.1:{url.port} within 0.3 s: nothing is reached"
        ):
            ask(url)


def test_a_member_without_an_address_is_said() -> None:
    url = PeerUrl("udp", "fe80::1%no-such-if", 9651, BOB.exchange_public_key)
    with pytest.raises(LocalError, match="can't be found: fe80::1%no-such-if: this host has no interface no-such-if"):
        ask(url)
