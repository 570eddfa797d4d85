"""Opens the transports of a node."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Final

from mycelium.admin.config import Settings
from mycelium.daemon.proxied import ProxiedPeers
from mycelium.errors import DeviceError
from mycelium.peer_url import PeerUrl
from mycelium.transport.base import Transport
from mycelium.transport.certificate import ServerCertificate
from mycelium.transport.quic.transport import QuicTransport
from mycelium.transport.set import TransportSet
from mycelium.transport.streams.proxy import Proxy
from mycelium.transport.streams.transport import StreamTransport
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_port import open_udp
from mycelium.transport.udp_steering import Steering
from mycelium.transport.underlay import Underlay

log = logging.getLogger("mycelium")

ANY_ADDRESS: Final = "::"
LISTEN_BY_DEFAULT: Final = (PeerUrl("udp", ANY_ADDRESS), PeerUrl("tcp", ANY_ADDRESS))


def configured_transports(
    settings: Settings, certificate: ServerCertificate, proxied: ProxiedPeers | None
) -> TransportSet:
    """Does what `open_transports` does, as the settings have it."""
    return open_transports(
        settings.listen,
        mark=settings.firewall_mark,
        has_quic=not settings.no_quic,
        has_dscp=not settings.no_dscp,
        proxy=None if proxied is None else proxied.proxy,
        certificate=certificate,
    )


def open_transports(
    named: Sequence[PeerUrl],
    *,
    mark: int = 0,
    proxy: Proxy | None = None,
    certificate: ServerCertificate | None = None,
    has_quic: bool = True,
    has_dscp: bool = True,
) -> TransportSet:
    """Opens the listeners that the operator named, or those by default; on DeviceError nothing stays open.

    `mark` is the firewall mark of their sockets, 0 for none; without a certificate one is made; with `has_quic` UDP's sockets
    carry QUIC too; without `has_dscp` datagrams have a DSCP of 0. Peers can be dialled over TCP even without a TCP listener, so
    a default TCP port that is taken is only a warning.
    """
    urls = named or LISTEN_BY_DEFAULT
    underlay = Underlay(mark=mark)
    with ExitStack() as opened:
        by_udp: list[UdpTransport] = []
        steerings: list[Steering] = []
        for url in urls:
            if url.scheme == "udp":
                port = open_udp(url.host, url.port, dscp=has_dscp, underlay=underlay)
                for transport in port.transports:
                    by_udp.append(transport)
                    opened.callback(transport.close)
                if port.steering is not None:
                    steerings.append(port.steering)
        certificate = certificate or ServerCertificate(now=monotonic())
        transports: list[Transport] = [*by_udp]
        if has_quic:
            transports.append(QuicTransport(by_udp, certificate=certificate, steerings=steerings))
            opened.callback(transports[-1].close)
        addresses = [(url.host, url.port) for url in urls if url.scheme == "tcp"]
        open_streams = partial(StreamTransport.open, underlay=underlay, proxy=proxy, certificate=certificate)
        try:
            transports.append(open_streams(addresses))
        except DeviceError as error:
            if named:
                raise
            log.warning("%s; peers can't reach this node by TCP", error)
            transports.append(open_streams())
        opened.pop_all()
    return TransportSet(transports, underlay, steerings)
