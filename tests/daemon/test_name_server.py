"""The server of names, over a real socket: it answers this host, for its zone."""

import asyncio
import contextlib
import logging
import socket
from ipaddress import IPv6Address
from pathlib import Path
from unittest.mock import Mock

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from mycelium.daemon import name_server
from mycelium.daemon.name_server import NameServer
from mycelium.node.names import Names, address_name
from mycelium.node.zone import Zone
from tests.node.test_names import pair

LOOPBACK = "::1"


def a_zone() -> tuple[Zone, bytes]:
    """Returns the zone of a node of the network corp, and the address of its neighbour oslo."""
    net = pair(private=True)
    return Zone(Names(net.hosts["a"].node.routing, is_private=True), domain="myc", network_name="corp"), net.hosts[
        "b"
    ].address


def asked(zone: Zone, name: str, kind: str = "AAAA") -> dns.message.Message:
    response = NameServer(zone, LOOPBACK).answer(dns.message.make_query(name, kind).to_wire(), now=1e6)
    assert response is not None
    return dns.message.from_wire(response)


def test_names_of_the_zone_are_answered_and_others_refused() -> None:
    zone, oslo = a_zone()
    for name in ("oslo.corp.myc", "OSLO.corp.myc.", f"{address_name(oslo)}.myc"):
        [records] = asked(zone, name).answer
        assert [IPv6Address(one.address).packed for one in records] == [oslo]
    assert asked(zone, "oslo.corp.myc", "A").rcode() == asked(zone, "myc", "SOA").rcode() == dns.rcode.NOERROR
    for above in ("myc", "corp.myc", "CORP.myc."):
        assert [(one.rcode(), one.answer) for one in (asked(zone, above), asked(zone, above, "NS"))] == [
            (dns.rcode.NOERROR, [])
        ] * 2
    assert asked(zone, "paris.corp.myc").rcode() == dns.rcode.NXDOMAIN
    assert asked(zone, "example.org").rcode() == dns.rcode.REFUSED
    assert NameServer(zone, LOOPBACK).answer(b"junk", now=1e6) is None


def test_this_host_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    zone, oslo = a_zone()
    monkeypatch.setattr(name_server, "PORT", 0)

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        server = NameServer(zone, LOOPBACK)
        server.open(loop)
        assert server._socket is not None
        port = server._socket.getsockname()[1]
        query = dns.message.make_query("oslo.corp.myc", "AAAA")
        response = await dns.asyncquery.udp(query, LOOPBACK, timeout=30, port=port)
        assert [IPv6Address(one.address).packed for one in response.answer[0]] == [oslo]
        server.close(loop)
        server.close(loop)

    asyncio.run(ask())


def test_nobody_else_is_answered() -> None:
    server, sent = NameServer(a_zone()[0], "4fc:47a4::1"), Mock()
    sent.recvfrom.side_effect = [
        (dns.message.make_query("oslo.corp.myc", "AAAA").to_wire(), ("4fc:ffff::1", 9, 0, 0)),
        BlockingIOError,
    ]
    server._on_readable(sent)
    sent.sendto.assert_not_called()


def test_a_port_that_is_taken_is_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind((LOOPBACK, 0))
        monkeypatch.setattr(name_server, "PORT", other.getsockname()[1])
        NameServer(Mock(), LOOPBACK).open(Mock())
    [told] = caplog.messages
    assert told.endswith("another server of names has taken it at all addresses of this host")


def test_systemd_resolved_is_told_once_for_each_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    program = tmp_path / "resolvectl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(name_server, "runs_resolved", lambda: True)
    monkeypatch.setattr(name_server, "LOOK_AGAIN_S", 0.01)
    server = NameServer(a_zone()[0], LOOPBACK)
    server._socket = Mock()
    expected = f"dns lo {LOOPBACK}\ndomain lo ~myc\n"

    async def run() -> None:
        introducing = asyncio.ensure_future(server.introduce("lo", has_hosts_file=False))
        async with asyncio.timeout(30):
            while not calls.exists() or calls.read_text() != expected:  # noqa: ASYNC110 - a file, not an event
                await asyncio.sleep(0.01)
        introducing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await introducing

    asyncio.run(run())
    assert calls.read_text() == expected


@pytest.mark.parametrize("has_hosts_file", [False, True])
def test_where_systemd_resolved_does_not_run_only_the_operator_is_told_unless_names_are_in_a_file(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, has_hosts_file: bool
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(name_server, "runs_resolved", lambda: False)
    server = NameServer(a_zone()[0], LOOPBACK)
    server._socket = Mock()
    asyncio.run(server.introduce("lo", has_hosts_file=has_hosts_file))
    told = "programs do not find nodes as NAME.corp.myc: systemd-resolved does not run here; install it, or have names kept"
    assert [text.startswith(told) for text in caplog.messages] == [True] * (not has_hosts_file)
    caplog.clear()
    names = Names(pair(private=False).hosts["a"].node.routing, is_private=False)
    server = NameServer(Zone(names, domain="myc", network_name=""), LOOPBACK)
    asyncio.run(server.introduce("lo", has_hosts_file=has_hosts_file))
    assert caplog.messages == []
