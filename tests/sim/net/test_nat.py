"""NATs, in the words of RFC 4787."""

import pytest

from mycelium.endpoint import Endpoint
from sim.net.nat import FIRST_PORT, KINDS, Behaviour, Nat, NatModel
from tests.lab.nat import CLASSIC

HERE = Endpoint("udp", "192.0.2.1", 1000)
SAME_HOST = Endpoint("udp", "192.0.2.1", 2000)
ELSEWHERE = Endpoint("udp", "198.51.100.1", 1000)


@pytest.mark.parametrize(
    ("mapping", "same_host", "elsewhere"),
    [
        ("endpoint-independent", True, True),
        ("address-dependent", True, False),
        ("address-and-port-dependent", False, False),
    ],
)
def test_mapping_decides_who_sees_the_same_port(mapping: Behaviour, same_host: bool, elsewhere: bool) -> None:
    nat = Nat(NatModel(mapping=mapping))
    port = nat.send(HERE, now=0.0)
    assert nat.send(HERE, now=0.1) == port
    assert (nat.send(SAME_HOST, now=0.2) == port) is same_host
    assert (nat.send(ELSEWHERE, now=0.3) == port) is elsewhere


@pytest.mark.parametrize(
    ("filtering", "same_host", "elsewhere"),
    [
        ("endpoint-independent", True, True),
        ("address-dependent", True, False),
        ("address-and-port-dependent", False, False),
    ],
)
def test_filtering_decides_who_may_answer(filtering: Behaviour, same_host: bool, elsewhere: bool) -> None:
    nat = Nat(NatModel(filtering=filtering))
    port = nat.send(HERE, now=0.0)
    assert nat.admits(port, HERE, now=0.1)
    assert nat.admits(port, SAME_HOST, now=0.1) is same_host
    assert nat.admits(port, ELSEWHERE, now=0.1) is elsewhere


def test_nothing_gets_in_before_something_went_out() -> None:
    assert not Nat(NatModel()).admits(40_000, HERE, now=0.0)


def test_a_mapping_ends_when_nothing_has_gone_out_for_long_and_the_next_has_another_port() -> None:
    nat = Nat(NatModel(expiry_s=30.0))
    port = nat.send(HERE, now=0.0)
    assert nat.send(HERE, now=29.0) == port
    assert nat.admits(port, HERE, now=58.0)
    assert not nat.admits(port, HERE, now=60.0)
    assert nat.send(HERE, now=60.0) != port
    assert not nat.admits(port, HERE, now=60.0)


def test_a_nat_that_forgets_lets_nothing_in_until_something_went_out_from_another_port() -> None:
    nat = Nat(NatModel())
    port = nat.send(HERE, now=0.0)
    nat.forget()
    assert not nat.admits(port, HERE, now=0.1)
    assert nat.send(HERE, now=0.2) != port


def test_ports_are_used_in_turn_and_one_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.net.nat.PORTS", 3)
    nat = Nat(NatModel(mapping="address-and-port-dependent", expiry_s=30.0))
    remotes = [Endpoint("udp", "192.0.2.1", port) for port in range(4)]
    assert [nat.send(remote, now=0.0) for remote in remotes[:3]] == [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 2]
    nat.send(remotes[0], now=20.0)
    assert (
        nat.send(remotes[1], now=40.0) == FIRST_PORT + 1
    )  # its own mapping has expired, that of the first port has not


def test_a_nat_without_a_free_port_gives_up_its_oldest_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.net.nat.PORTS", 2)
    nat = Nat(NatModel(mapping="address-and-port-dependent"))
    remotes = [Endpoint("udp", "192.0.2.1", port) for port in range(3)]
    ports = [nat.send(remote, now=0.0) for remote in remotes]
    assert ports == [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT]
    assert not nat.admits(FIRST_PORT, remotes[0], now=1.0)
    assert nat.admits(FIRST_PORT, remotes[2], now=1.0)


def test_the_kinds_are_those_that_are_measured_with_real_daemons() -> None:
    assert list(KINDS) == [kind.value for kind in CLASSIC]
