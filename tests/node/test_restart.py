"""A process dies and starts again with the same key: how soon links, routes and sessions are whole."""

import pytest

from mycelium.link.link import LinkState
from tests.support.small_meshes import (
    deliver,
    is_up,
    is_whole,
    link_of,
    ping_until_answered,
    reaches,
    ready_line,
    ready_pair,
)


@pytest.mark.parametrize("pause", [0.0, 0.2, 3.0, 30.0, 100.0])
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_restarted_node_is_back_in_the_mesh_within_seconds(name: str, pause: float) -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    deliver(net, "c", "a")
    net.run(20)
    net.stop(name)
    net.run(pause)
    net.restart(name)
    assert net.run(30, until=lambda: is_whole(net)) < 2.5 + (0 if pause < 1 else 7 if pause < 60 else 20)
    for source, destination in ("ac", "ca", "ab", "cb", "ba", "bc"):
        assert ping_until_answered(net, source, destination, within=3) < 1.5


def test_a_restart_that_nobody_noticed_takes_less_than_half_a_second() -> None:
    net = ready_pair()
    net.run(20)
    net.restart("a")
    assert net.run(5, until=lambda: is_up(net, "a", "b") and reaches(net, "b", "a") and reaches(net, "a", "b")) < 0.5
    assert ping_until_answered(net, "b", "a", within=2) < 0.2
    assert ping_until_answered(net, "a", "b", within=2) < 0.2


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("age", [0.5, 5.0, 9.0])
def test_a_restart_soon_after_the_start_is_no_crossing_handshake(name: str, age: float) -> None:
    net = ready_pair()
    net.run(age)
    net.restart(name)
    assert net.run(5, until=lambda: is_up(net, "a", "b") and reaches(net, "b", "a") and reaches(net, "a", "b")) < 2.3
    net.run(20)
    assert is_up(net, "a", "b")


def test_both_ends_restart() -> None:
    net = ready_pair()
    net.run(20)
    net.restart("a")
    net.restart("b")
    assert net.run(10, until=lambda: is_whole(net)) < 0.5
    deliver(net, "a", "b")
    deliver(net, "b", "a")


def test_a_restarted_node_that_has_forgotten_its_peers_is_found_by_the_other() -> None:
    net = ready_pair()
    net.run(20)
    host = net.hosts["a"]
    host.peers.clear()
    net.restart("a")
    net.run(10, until=lambda: is_up(net, "a", "b") and reaches(net, "a", "b") and reaches(net, "b", "a"))


@pytest.mark.parametrize("flaps", [0, 1, 3])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_link_that_flapped_talks_to_the_next_process_at_once(flaps: int, seed: int) -> None:
    net = ready_pair(seed=seed)
    for _ in range(flaps):
        net.cut("a", "b")
        net.run(3)
        net.mend("a", "b")
        net.run(20)
    net.run(60)
    net.restart("a")
    net.run(2, until=lambda: is_up(net, "a", "b") and reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")


def test_the_keys_of_a_dead_process_are_given_up() -> None:
    net = ready_pair()
    net.run(20)
    net.restart("b")
    net.run(60)
    assert list(link_of(net, "a", "b").keypairs.by_index) == [link_of(net, "a", "b").keypairs.sending.local_index]
    assert link_of(net, "a", "b").state is LinkState.UP


def test_restarts_in_quick_succession_leave_a_whole_mesh() -> None:
    net = ready_line("abc")
    for pause in (0.01, 0.05, 0.3, 0.02, 1.1, 0.7):
        net.restart("b")
        net.run(pause)
    assert net.run(30, until=lambda: is_whole(net)) < 15
    for source, destination in ("ac", "ca"):
        ping_until_answered(net, source, destination, within=3)
