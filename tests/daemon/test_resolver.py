"""Peer URLs resolved to endpoints: numeric hosts by the system's resolver, and answers that only a name server could give."""

import asyncio
import socket
from typing import Any

import pytest

from mycelium.daemon.resolver import resolve
from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_url import PeerUrl

LOOPBACK_INDEX = socket.if_nametoindex("lo")


def endpoints_of(url: str, answer: list[Any] | OSError | None = None) -> list[Endpoint]:
    """Resolves a URL; with `answer` the system's resolver returns or raises that."""

    async def look_up() -> list[Endpoint]:
        loop = asyncio.get_running_loop()
        if answer is not None:
            loop.getaddrinfo = answering  # type: ignore[method-assign]
        return await resolve(PeerUrl.parse(url), loop)

    async def answering(*args: Any, **options: Any) -> list[Any]:
        if isinstance(answer, OSError):
            raise answer
        return answer or []

    return asyncio.run(look_up())


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
    ("answer", "cause"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the name is not known"),
        (socket.gaierror(socket.EAI_NODATA, "No address associated with hostname"), "the name is not known"),
        ([], "the name is not known"),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "the name can't be looked up: no name server answers",
        ),
        (
            socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"),
            "the name can't be looked up: Non-recoverable failure in name resolution",
        ),
    ],
)
def test_why_a_name_has_no_endpoint_is_told(answer: list[Any] | OSError, cause: str) -> None:
    with pytest.raises(ResolveError) as raised:
        endpoints_of("udp://host.example", answer)
    assert str(raised.value) == cause


def test_an_address_on_an_interface_that_is_not_there_says_so() -> None:
    with pytest.raises(ResolveError, match="this host has no interface nosuch0"):
        endpoints_of("udp://[fe80::1%nosuch0]:7")


def test_a_numeric_host_does_not_wait_behind_look_ups_of_names() -> None:
    assert endpoints_of("udp://192.0.2.1:7", OSError("the resolver was asked")) == [Endpoint("udp", "192.0.2.1", 7)]
