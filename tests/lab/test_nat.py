"""Each kind of NAT maps and filters as RFC 4787 says of it, found by what plain UDP sockets see, as in RFC 5780."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.nat import Internet, NatKind, NatRouter
from tests.lab.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.netns

Address = tuple[str, int]

SAME: Final = "whatever the destination"
EACH: Final = "one for each destination"
ANYONE: Final = "anyone"
SPOKEN_ADDRESS: Final = "addresses spoken to"
SPOKEN_PORT: Final = "ports spoken to"
BEHAVIOUR: Final = {
    NatKind.PUBLIC: (SAME, ANYONE),
    NatKind.FIREWALL: (SAME, SPOKEN_PORT),
    NatKind.FULL_CONE: (SAME, ANYONE),
    NatKind.ADDRESS_RESTRICTED: (SAME, SPOKEN_ADDRESS),
    NatKind.PORT_RESTRICTED: (SAME, SPOKEN_PORT),
    NatKind.SYMMETRIC: (EACH, SPOKEN_PORT),
}


NOTHING_SECONDS: Final = 0.5  # in which what a firewall drops does not arrive


class Sockets:
    """UDP sockets in hosts."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def open(self, host: LabHost) -> socket.socket:
        """Opens one; reading waits for as long as a busy machine may take."""
        with host.entered():
            opened = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opened.bind((host_address(host), 0))
        opened.settimeout(PATIENCE_S)
        return opened

    def close(self) -> None:
        """Closes all."""
        self._stack.close()


def host_address(host: LabHost) -> str:
    """Returns the address of a host's only cable."""
    with host.entered():
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with probe:
        probe.connect(("11.0.0.1", 9))
        address: str = probe.getsockname()[0]
    return address


class World(NamedTuple):
    """Two public hosts, a network, and what opens sockets in them."""

    internet: Internet
    near: LabHost
    far: LabHost
    sockets: Sockets


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    sockets = Sockets()
    with Lab() as lab, contextlib.closing(sockets):
        internet = Internet(lab)
        yield World(internet, internet.add_host("near"), internet.add_host("far"), sockets)


def seen_by(server: socket.socket, client: socket.socket) -> Address:
    """Returns the address that a server sees a client at."""
    client.sendto(b"hello", server.getsockname())
    address: Address = server.recvfrom(100)[1]
    return address


def heard(client: socket.socket, last: socket.socket, at: Address, others: list[socket.socket]) -> set[Address]:
    """Returns who of `others` gets through to a client, all of it before `last`, whom it hears."""
    for server in [*others, last]:
        server.sendto(b"is anyone there?", at)
    came: set[Address] = set()
    while last.getsockname() not in came:
        came.add(client.recvfrom(100)[1])
    return came - {last.getsockname()}


@pytest.mark.parametrize("kind", list(NatKind), ids=lambda kind: kind.value)
def test_a_nat_maps_and_filters_as_its_kind_does(world: World, kind: NatKind) -> None:
    client = world.sockets.open(world.internet.add_behind(kind, f"client-{kind.name.lower()}"))
    spoken, same_address = (world.sockets.open(world.near) for _ in range(2))
    stranger = world.sockets.open(world.far)

    at = seen_by(spoken, client)
    assert (at[0] == client.getsockname()[0]) == (kind in (NatKind.PUBLIC, NatKind.FIREWALL))
    came = heard(client, spoken, at, [same_address, stranger])
    filtering = {
        (True, True): ANYONE,
        (True, False): SPOKEN_ADDRESS,
        (False, False): SPOKEN_PORT,
    }[same_address.getsockname() in came, stranger.getsockname() in came]
    mapping = SAME if {seen_by(same_address, client), seen_by(stranger, client)} == {at} else EACH
    assert (mapping, filtering) == BEHAVIOUR[kind]
    assert heard(client, spoken, at, []) == set()


def test_what_nobody_asked_for_is_dropped_without_a_word_and_without_a_trace(world: World) -> None:
    nat = world.internet.add_nat("silent", NatKind.PORT_RESTRICTED)
    client = world.sockets.open(nat.add_host("quiet"))
    spoken, stranger = world.sockets.open(world.near), world.sockets.open(world.far)
    at = seen_by(spoken, client)
    stranger.connect(at)
    assert heard(client, spoken, at, [stranger, stranger]) == set()  # the second would raise after an ICMP error
    assert seen_by(stranger, client) == at


def test_hosts_behind_one_nat_reach_each_other_by_its_outer_address_only_with_hairpin(world: World) -> None:
    for hairpin in (True, False):
        nat = world.internet.add_nat(f"hairpin-{hairpin}", NatKind.PORT_RESTRICTED, hairpin=hairpin)
        one, two = (world.sockets.open(nat.add_host(f"{name}-{hairpin}")) for name in ("one", "two"))
        spoken = world.sockets.open(world.near)
        at = [seen_by(spoken, client) for client in (one, two)]
        one.sendto(b"hello", at[1])
        spoken.sendto(b"hello", at[1])
        assert two.recvfrom(100)[1] == (at[0] if hairpin else spoken.getsockname())


def test_two_nats_in_a_row_both_map(world: World) -> None:
    outer = world.internet.add_nat("carrier", NatKind.SYMMETRIC)
    inner = outer.add_nat("home", NatKind.FULL_CONE)
    client = world.sockets.open(inner.add_host("double"))
    servers = [world.sockets.open(world.near), world.sockets.open(world.far)]
    at = [seen_by(server, client) for server in servers]
    assert {address for address, _ in at} == {outer.outer.ipv4} != {inner.outer.ipv4}
    assert at[0] != at[1]


@pytest.mark.parametrize("kind", [NatKind.FULL_CONE, NatKind.SYMMETRIC], ids=lambda kind: kind.value)
def test_a_mapping_ends_after_its_time(world: World, kind: NatKind) -> None:
    nat = world.internet.add_nat(f"brief-{kind.name.lower()}", kind)
    nat.set_udp_timeout(1)
    client = world.sockets.open(nat.add_host(f"idle-{kind.name.lower()}"))
    server = world.sockets.open(world.near)
    at = seen_by(server, client)
    server.sendto(b"hello", at)
    assert client.recv(100) == b"hello"

    client.setblocking(False)

    def is_closed() -> bool:
        server.sendto(b"hello", at)
        with contextlib.suppress(BlockingIOError):
            return not client.recv(100)
        return True

    wait_until(is_closed, 20, "the mapping has ended", every_s=1.5)


def connects(client: LabHost, server: LabHost, port: int, *, is_open: bool = True) -> bool:
    """Tells whether TCP gets through to a port, which it waits long for if that is to be."""
    with server.entered():
        listener = socket.create_server((host_address(server), port))
    with client.entered():
        sender = socket.socket()
    with listener, sender:
        sender.settimeout(PATIENCE_S if is_open else NOTHING_SECONDS)
        with contextlib.suppress(TimeoutError):
            sender.connect(listener.getsockname())
            return True
    return False


def test_a_router_may_drop_udp_or_let_only_https_out(world: World) -> None:
    nat: NatRouter = world.internet.add_nat("strict", NatKind.PORT_RESTRICTED)
    host = nat.add_host("guest")
    client, server = world.sockets.open(host), world.sockets.open(world.near)
    at = seen_by(server, client)

    nat.drop_udp()
    server.settimeout(NOTHING_SECONDS)
    with pytest.raises(TimeoutError):
        seen_by(server, client)
    assert connects(host, world.near, 80)
    nat.let_only_https_out()
    assert connects(host, world.near, 443)
    assert not connects(host, world.near, 80, is_open=False)
    with pytest.raises(TimeoutError):
        seen_by(server, client)
    nat.let_all_out()
    server.settimeout(PATIENCE_S)
    assert seen_by(server, client) == at
