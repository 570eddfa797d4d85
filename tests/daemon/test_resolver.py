"""Peer URLs resolved to endpoints: numeric hosts without the system's resolver, names by it, whatever it answers."""

import asyncio
import socket
from typing import Any

import pytest

from mycelium.daemon.resolver import resolve
from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_url import PeerUrl

LOOPBACK_INDEX = socket.if_nametoindex("lo")


def endpoints_of(url: str, answer: list[Any] | Exception | None = None) -> list[Endpoint]:
    """Resolves a URL; with `answer` the system's resolver returns or raises that, else it may not be asked."""

    def look_up(*arguments: Any, **options: Any) -> list[Any]:
        assert answer is not None, "the resolver was asked"
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        return asyncio.run(resolve(PeerUrl.parse(url)))


def problem_of(url: str, answer: list[Any] | Exception | None = None) -> str:
    with pytest.raises(ResolveError) as caught:
        endpoints_of(url, answer)
    return str(caught.value)


def v4(host: str) -> tuple[Any, ...]:
    return socket.AF_INET, socket.SOCK_DGRAM, 17, "", (host, 9651)


def v6(host: str, scope: int = 0) -> tuple[Any, ...]:
    return socket.AF_INET6, socket.SOCK_DGRAM, 17, "", (host, 9651, 0, scope)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("udp://192.0.2.1:7", Endpoint("udp", "192.0.2.1", 7)),
        ("udp://[2001:db8::1]", Endpoint("udp", "2001:db8::1", 9651)),
        ("udp://[::ffff:192.0.2.1]:7", Endpoint("udp", "192.0.2.1", 7)),
        ("udp://[fe80::1%lo]:7", Endpoint("udp", "fe80::1", 7, LOOPBACK_INDEX)),
        ("tls://192.0.2.1:7", Endpoint("tls", "192.0.2.1", 7)),
        ("wss://192.0.2.1/x?sni=a", Endpoint("wss", "192.0.2.1", 443, site="/x?sni=a")),
    ],
)
def test_a_numeric_host_is_its_own_endpoint(url: str, endpoint: Endpoint) -> None:
    assert endpoints_of(url) == [endpoint]


def test_a_peer_without_a_scheme_has_its_endpoints_over_udp_first() -> None:
    assert endpoints_of("192.0.2.1:7") == [Endpoint("udp", "192.0.2.1", 7), Endpoint("tcp", "192.0.2.1", 7)]
    found = endpoints_of("b", [v6("2001:db8::1"), v4("192.0.2.1")])
    assert [(one.scheme, one.host) for one in found] == [
        (scheme, host) for scheme in ("udp", "tcp") for host in ("2001:db8::1", "192.0.2.1")
    ]


def test_a_name_s_addresses_keep_their_order() -> None:
    answer = [v6("2001:db8::1"), v4("192.0.2.1"), v6("fe80::1%eth0", 3)]
    assert endpoints_of("udp://host.example", answer) == [
        Endpoint("udp", "2001:db8::1", 9651),
        Endpoint("udp", "192.0.2.1", 9651),
        Endpoint("udp", "fe80::1", 9651, 3),
    ]


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("tls://host.example.", "?sni=host.example"),
        ("wss://host.example/x?alpn=h2", "/x?sni=host.example&alpn=h2"),
        ("wss://host.example/x?sni=front.example", "/x?sni=front.example"),
        ("tcp://host.example", ""),
    ],
)
def test_tls_asks_for_the_name_unless_the_url_says_another(url: str, site: str) -> None:
    [endpoint] = endpoints_of(url, [v4("192.0.2.1")])
    assert endpoint.site == site


def test_an_address_that_is_given_twice_is_one_endpoint() -> None:
    answer = [v4("192.0.2.1"), v6("::ffff:192.0.2.1"), v4("192.0.2.1")]
    assert endpoints_of("udp://host.example", answer) == [Endpoint("udp", "192.0.2.1", 9651)]


def test_addresses_of_other_families_are_passed_over() -> None:
    assert endpoints_of("udp://host.example", [(socket.AF_UNIX, 0, 0, "", "/path"), v4("192.0.2.1")]) == [
        Endpoint("udp", "192.0.2.1", 9651)
    ]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the name is not known"),
        (socket.gaierror(socket.EAI_NODATA, "No address"), "the name is not known"),
        ([], "the name is not known"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "the name can't be looked up: no name server answers"),
        (socket.gaierror(socket.EAI_FAIL, "Broken"), "the name can't be looked up: Broken"),
        (OSError("no descriptor"), "the name can't be looked up: no descriptor"),
        (
            BlockingIOError(11, "this host has no thread left for it"),
            "the name can't be looked up: this host has no thread left for it",
        ),
        ([v6("400::1")], "the name stands for an address of no peer: 400::1 lies in the overlay (400::/7)"),
        ([v4("0.0.0.0")], "the name stands for an address of no peer: 0.0.0.0 means every address of a host"),
        ([v6("fe80::1")], "the name stands for an address of no peer: a link-local address needs its interface"),
        ([v4("255.255.255.255"), v6("ff02::1")], "the name stands for an address of no peer: ff02::1 is a multicast"),
    ],
)
def test_a_name_that_leads_to_no_peer_is_explained(answer: list[Any] | Exception, problem: str) -> None:
    assert problem_of("udp://host.example", answer).startswith(problem)


def test_addresses_that_no_peer_can_have_leave_the_others() -> None:
    answer = [v6("5ff::1"), v4("224.0.0.1"), v4("192.0.2.1")]
    assert endpoints_of("tcp://host.example", answer) == [Endpoint("tcp", "192.0.2.1", 9651)]


def test_an_interface_that_has_gone_is_named() -> None:
    assert problem_of("udp://[fe80::1%gone0]:7") == "this host has no interface gone0"
