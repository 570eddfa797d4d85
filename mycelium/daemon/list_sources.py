"""Reads lists of peers: from the DNS, over HTTPS, from files. Each has a time limit and a bound, and fails with its cause."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.resolver

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon.threads import in_thread
from mycelium.daemon.web import fetch
from mycelium.errors import ConfigError, ResolveError
from mycelium.limits import PEER_LIST_BYTES, PEERS_PER_LIST
from mycelium.peer_list_url import PeerListUrl, parse_lines
from mycelium.peer_url import PeerUrl
from mycelium.regular_file import read_regular

PATIENCE_S: Final = 10.0
LOOK_UP_S: Final = 5.0

_Records = list[Any]


async def read_list(url: PeerListUrl, proxy: ProxyUrl | None = None) -> list[PeerUrl]:
    """Returns the peers of a list, which is fetched through the proxy if there is one and it is on the web.

    Raises ResolveError that says why there are none.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            match url.scheme:
                case "dns":
                    return await _from_dns(url.place)
                case "https":
                    return await _from_web(url.place, proxy)
                case _:
                    return await _from_file(url.place)
    except TimeoutError:
        raise ResolveError(f"no answer within {PATIENCE_S:.0f} s") from None
    except ConfigError as error:
        raise ResolveError(str(error)) from None


async def _from_dns(name: str) -> list[PeerUrl]:
    """Returns the peers that SRV and TXT records name; those of lower priority come later."""
    resolver = dns.asyncresolver.Resolver()
    asked = [(f"_mycelium._udp.{name}", "SRV"), (f"_mycelium._tcp.{name}", "SRV"), (f"_mycelium.{name}", "TXT")]
    answers = await asyncio.gather(*(_look_up(resolver, *one) for one in asked), return_exceptions=True)
    by_udp, by_tcp, texts = [[] if isinstance(one, BaseException) else one for one in answers]
    lines = [f"{scheme}://{_target(one)}:{one.port}" for scheme, one in _in_order(by_udp, by_tcp)]
    lines += [b"".join(one.strings).decode("utf-8", errors="replace") for one in texts]
    failed = next((one for one in answers if isinstance(one, ResolveError)), None)
    if not lines and failed is not None:
        raise failed
    if not lines:
        raise ResolveError(
            f"{name} has no SRV records at _mycelium._udp or _mycelium._tcp, and no TXT records at _mycelium"
        )
    return parse_lines(lines[: PEERS_PER_LIST + 1])


async def _look_up(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> _Records:
    try:
        return list(await resolver.resolve(name, kind, lifetime=LOOK_UP_S, search=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.Timeout:
        raise ResolveError(f"no name server has answered for {LOOK_UP_S:.0f} s") from None
    except (dns.exception.DNSException, OSError) as error:
        raise ResolveError(f"the records can't be looked up: {error}") from None


def _in_order(by_udp: _Records, by_tcp: _Records) -> list[tuple[str, Any]]:
    named = [("udp", one) for one in by_udp] + [("tcp", one) for one in by_tcp]
    return sorted(named, key=lambda pair: (pair[1].priority, -pair[1].weight))


def _target(record: Any) -> str:
    return str(record.target).removesuffix(".") or "."


async def _from_web(url: str, proxy: ProxyUrl | None) -> list[PeerUrl]:
    try:
        return _parsed(await fetch(url, PEER_LIST_BYTES + 1, proxy))
    except ResolveError as error:
        raise ResolveError(f"the list can't be fetched: {error}") from None


async def _from_file(path: str) -> list[PeerUrl]:
    try:
        return await in_thread(lambda: read_list_file(path))
    except OSError as error:
        raise ResolveError(f"the file can't be read: {error.strerror}") from None


def read_list_file(path: str) -> list[PeerUrl]:
    """Returns the peers of a list in a file; raises OSError, or ResolveError or ConfigError that says why there are none."""
    found = read_regular(Path(path), PEER_LIST_BYTES + 1)
    if found is None:
        raise ResolveError("it is not a regular file")
    return _parsed(found[0])


def _parsed(data: bytes) -> list[PeerUrl]:
    if len(data) > PEER_LIST_BYTES:
        raise ResolveError(f"it is longer than {PEER_LIST_BYTES} bytes")
    try:
        lines: Sequence[str] = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ResolveError("it is not UTF-8 text") from None
    return parse_lines(lines)
