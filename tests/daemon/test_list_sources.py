"""Lists of peers from a name server, a web server and files, all on this host: what they hold, and why they can't be read."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from aiohttp import web

from mycelium.daemon import list_sources
from mycelium.daemon.list_sources import read_list
from mycelium.errors import ResolveError
from mycelium.limits import PEER_LIST_BYTES
from mycelium.peer_list_url import PeerListUrl

PIN = "00" * 31 + "09"
Records = dict[tuple[str, str], list[str]]


def read(url: str) -> list[str]:
    return [str(peer) for peer in asyncio.run(read_list(PeerListUrl.parse(url)))]


def failure(url: str) -> str:
    with pytest.raises(ResolveError) as failed:
        read(url)
    return str(failed.value)


class NameServer(asyncio.DatagramProtocol):
    """Answers with records by name and type; NXDOMAIN for others; nothing at all if it is silent."""

    def __init__(self, records: Records, *, is_silent: bool) -> None:
        self._records = records
        self._is_silent = is_silent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        answer = dns.message.make_response(query)
        kind = dns.rdatatype.to_text(question.rdtype)
        texts = self._records.get((question.name.to_text(omit_final_dot=True), kind))
        if texts is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        if not self._is_silent:
            self._transport.sendto(answer.to_wire(), addr)


def ask(monkeypatch: pytest.MonkeyPatch, records: Records, *, is_silent: bool = False) -> list[str]:
    """Reads dns://mesh.example from a name server on this host."""

    async def asked() -> list[str]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: NameServer(records, is_silent=is_silent), local_addr=("127.0.0.1", 0)
        )
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
        monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda: resolver)
        try:
            return [str(peer) for peer in await read_list(PeerListUrl.parse("dns://mesh.example"))]
        finally:
            transport.close()

    return asyncio.run(asked())


def test_the_dns_names_peers_by_srv_and_txt_the_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    records: Records = {
        ("_mycelium._udp.mesh.example", "SRV"): ["20 5 9651 b.mesh.example.", "10 5 9652 a.mesh.example."],
        ("_mycelium._tcp.mesh.example", "SRV"): ["15 5 443 c.mesh.example."],
        ("_mycelium.mesh.example", "TXT"): [f'"quic://192.0.2.7:9651#" "{PIN}"'],
    }
    assert ask(monkeypatch, records) == [
        "udp://a.mesh.example:9652",
        "tcp://c.mesh.example:443",
        "udp://b.mesh.example:9651",
        f"quic://192.0.2.7:9651#{PIN}",
    ]


def test_one_kind_of_record_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, {("_mycelium.mesh.example", "TXT"): ['"hub.example"']}) == ["hub.example:9651"]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({}, "mesh.example has no SRV records at _mycelium._udp or _mycelium._tcp, and no TXT records at _mycelium"),
        ({("_mycelium.mesh.example", "TXT"): ['"v=spf1 -all"']}, "line 1: "),
        ({("_mycelium.mesh.example", "TXT"): ['"dns://other.example"']}, "can't name another list"),
        ({("_mycelium._udp.mesh.example", "SRV"): ["0 0 0 ."]}, "line 1: "),  # RFC 2782: no such service
    ],
)
def test_records_of_no_peer_are_told(monkeypatch: pytest.MonkeyPatch, records: Records, reason: str) -> None:
    with pytest.raises(ResolveError, match=reason):
        ask(monkeypatch, records)


def test_a_silent_name_server_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_sources, "LOOK_UP_S", 0.2)
    with pytest.raises(ResolveError, match="no name server has answered"):
        ask(monkeypatch, {}, is_silent=True)


def fetch(
    certificate: tuple[Path, Path], answer: web.Response, *, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Reads a list from a web server on this host."""
    ours = ssl.create_default_context(cafile=str(certificate[0]))
    monkeypatch.setattr(
        ssl, "create_default_context", lambda: ours if trusted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )

    async def fetched() -> list[str]:
        async def serve(_: web.BaseRequest) -> web.Response:
            return answer

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        runner = web.ServerRunner(web.Server(serve))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        try:
            return [str(peer) for peer in await read_list(PeerListUrl.parse(f"https://127.0.0.1:{port}/peers"))]
        finally:
            await runner.cleanup()

    return asyncio.run(fetched())


def test_the_web_names_peers_line_by_line(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = web.Response(text=f"# ours\nhub.example#{PIN}\n")
    assert fetch(certificate, answer, trusted=True, monkeypatch=monkeypatch) == [f"hub.example:9651#{PIN}"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(status=404), "the server answers 404 Not Found"),
        (web.Response(status=302, headers={"Location": "http://elsewhere/"}), "the server answers 302"),
        (web.Response(text="<html>"), "line 1: "),
        (web.Response(body=b"\xff\xfe"), "it is not UTF-8 text"),
        (web.Response(body=b"#" * (PEER_LIST_BYTES + 1)), f"it is longer than {PEER_LIST_BYTES} bytes"),
    ],
)
def test_what_the_web_answers_instead_is_told(
    certificate: tuple[Path, Path], answer: web.Response, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ResolveError, match=reason):
        fetch(certificate, answer, trusted=True, monkeypatch=monkeypatch)


def test_a_web_server_that_nobody_vouches_for_is_refused(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ResolveError, match="the list can't be fetched: its certificate can't be trusted: "):
        fetch(certificate, web.Response(text="hub.example"), trusted=False, monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("https://127.0.0.1:1/", "nothing listens there (connection refused)"),
        ("https://nobody.invalid/", "the name "),
    ],
)
def test_a_server_that_is_not_reached_is_told_by_its_cause(url: str, cause: str) -> None:
    assert failure(url).startswith(f"the list can't be fetched: {cause}")


def test_a_file_names_peers_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "peers").write_text(f"# ours\nudp://192.0.2.7:9651#{PIN}\n")
    assert read(f"file:{tmp_path}/peers") == [f"udp://192.0.2.7:9651#{PIN}"]


def test_why_a_file_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert failure(f"file:{tmp_path}/none") == "the file can't be read: No such file or directory"
    assert failure(f"file:{tmp_path}/pipe") == "it is not a regular file"


def test_nothing_is_waited_for_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(path: str) -> list[object]:
        await asyncio.sleep(3_600)
        return []

    monkeypatch.setattr(list_sources, "_from_file", hang)
    monkeypatch.setattr(list_sources, "PATIENCE_S", 0.05)
    assert failure("file:/x") == "no answer within 0 s"
