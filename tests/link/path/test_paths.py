"""The paths to one neighbour: how they come, prove themselves, are chosen, and go."""

import math

import pytest

from mycelium.endpoint import Endpoint, Lost, remote_of
from mycelium.limits import DATAGRAM_FLOOR, PATHS_PER_LINK
from mycelium.link.path.liveness import PathState, Role
from mycelium.link.path.path import Path
from mycelium.link.path.paths import BUSY_BYTES, LOADED_BYTES, LOADED_FOR_S, Paths
from mycelium.link.path.rtt import LOADED_WINDOW_S, WINDOW_S


def at(host: str, *, local: bytes = b"", connection: int = 0) -> Endpoint:
    return Endpoint("udp", host, 9651, local=local, connection=connection)


def hosts(paths: Paths) -> list[str]:
    return [endpoint.host for endpoint in paths.by_endpoint]


def spare(paths: Paths, host: str, *, rtt_s: float = 0.01) -> Path:
    """Returns another validated path, on which a probe was answered."""
    path = paths.add_validated(at(host), now=0.0)
    path.rtt.sample(rtt_s, now=0.0)
    return path


@pytest.fixture
def paths() -> Paths:
    paths = Paths(at("one"), now=0.0)
    paths.active.rtt.sample(0.01, now=0.0)
    paths.active.peer_number = 0
    return paths


# -- which paths there are ---------------------------------------------------------------------------------------------


def test_a_path_whose_own_address_is_lost_is_the_same_path_from_whichever_address_the_kernel_chooses(
    paths: Paths,
) -> None:
    path = paths.meet(at("one", local=b"\1"), 0, now=1.0)
    paths.host_lost(Lost(addresses=frozenset([b"\1"])), now=2.0)
    assert paths.by_endpoint == {at("one"): path}
    assert path.endpoint == at("one")


def test_the_path_of_the_handshake_is_validated_and_in_use(paths: Paths) -> None:
    assert (hosts(paths), paths.active.endpoint, paths.is_validated(at("one"))) == (["one"], at("one"), True)


def test_a_frame_from_elsewhere_makes_a_path_that_proves_nothing_before_it_has_answered(paths: Paths) -> None:
    path = paths.meet(at("two"), 1, now=1.0)
    assert (hosts(paths), paths.is_validated(at("two")), path.peer_number) == (["one", "two"], False, 1)
    assert paths.active.endpoint == at("one")
    assert not paths.is_validated(at("three"))
    paths.answered(path)
    assert paths.is_validated(at("two"))
    assert paths.active.endpoint == at("one"), "a second path of the neighbour's: the first is as good"


def test_a_path_of_the_same_number_is_a_neighbour_that_has_moved_and_the_old_one_is_gone(paths: Paths) -> None:
    path = paths.meet(at("two"), paths.active.peer_number, now=1.0)
    paths.answered(path)
    assert (hosts(paths), paths.active) == (["two"], path)


def test_a_known_path_that_answers_again_moves_nothing(paths: Paths) -> None:
    path = spare(paths, "two")
    path.peer_number = paths.active.peer_number  # as frames with a forged number, or one counted around, would have it
    paths.answered(path)
    assert (hosts(paths), paths.active.endpoint) == (["one", "two"], at("one"))


def test_only_the_local_address_of_a_path_may_change(paths: Paths) -> None:
    known = paths.active
    for local in (b"\1", b"\2"):
        known.endpoint = known.endpoint.remote  # the kernel chooses: what it has chosen is told by what arrives
        paths.by_endpoint = {known.endpoint: known}
        assert paths.meet(at("one", local=local), 5, now=1.0) is known
        assert list(paths.by_endpoint) == [at("one", local=local)]


def test_paths_are_bounded_and_those_that_proved_nothing_give_way_first(paths: Paths) -> None:
    spare(paths, "two")
    for number in range(10):
        paths.meet(at(f"forged{number}"), number, now=1.0)
    assert len(paths.by_endpoint) == PATHS_PER_LINK
    assert {"one", "two", "forged9"} < set(hosts(paths))
    for number in range(10):
        paths.add_validated(at(f"real{number}"), now=1.0)
    assert len(paths.by_endpoint) == PATHS_PER_LINK
    assert {"one", "real9"} < set(hosts(paths)), "the one in use stays whatever comes"


def test_numbers_of_paths_are_a_byte_and_differ(paths: Paths) -> None:
    numbers = [paths.meet(at(f"{number}"), 1, now=1.0).number for number in range(300)]
    assert set(numbers) == set(range(256))
    assert numbers[:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("is_validated", "connection", "stays"), [(False, 0, False), (True, 0, True), (True, 7, False)]
)
def test_a_dead_path_that_cannot_come_back_is_swept(
    paths: Paths, is_validated: bool, connection: int, stays: bool
) -> None:
    path = paths.meet(at("two", connection=connection), 1, now=0.0)
    path.is_validated = is_validated
    paths.sweep(now=1.0)
    assert "two" in hosts(paths)
    path.liveness.state = PathState.DEAD
    paths.sweep(now=2.0)
    assert ("two" in hosts(paths)) is stays


def test_a_dead_connection_in_use_stays_until_another_path_is_used() -> None:
    paths = Paths(at("one", connection=3), now=0.0)
    paths.active.liveness.state = PathState.DEAD
    paths.sweep(now=1.0)
    assert hosts(paths) == ["one"]


# -- which one is used -------------------------------------------------------------------------------------------------


def test_the_first_path_to_answer_takes_over_from_one_that_is_not_alive(paths: Paths) -> None:
    path = spare(paths, "two")
    paths.answered(path)
    assert paths.active.endpoint == at("one")
    paths.active.liveness.state = PathState.SUSPECT
    paths.answered(path)
    assert paths.active is path


def test_spare_paths_are_probed_while_an_answer_over_the_one_in_use_is_overdue(paths: Paths) -> None:
    path = spare(paths, "two")
    active = paths.active.liveness
    path.liveness.deadline = 100.0
    active.probe_now(now=1.0)
    active.handle_timeout(now=1.0)
    paths.probe_spares_if_doubtful(now=1.0)
    assert (active.is_doubtful, path.liveness.deadline) == (False, 100.0)
    now = active.next_deadline()
    active.handle_timeout(now=now)
    paths.probe_spares_if_doubtful(now=now)
    assert (active.is_doubtful, active.state, path.liveness.deadline) == (True, PathState.ALIVE, now)
    active.probe_answered(now=now)
    assert not active.is_doubtful


def test_a_path_over_the_best_medium_gives_way_last(paths: Paths) -> None:
    for number in range(PATHS_PER_LINK - 1):
        by_tcp = paths.add_validated(at(str(number))._replace(scheme="tcp"), now=0.0)
    paths.active, udp = by_tcp, paths.active
    for host in ("more", "and more"):
        paths.add_validated(at(host)._replace(scheme="tcp"), now=0.0)
    assert len(paths.by_endpoint) == PATHS_PER_LINK
    assert udp.endpoint in paths.by_endpoint
    assert "0" not in hosts(paths)


def test_spare_paths_are_probed_at_once_while_the_one_in_use_is_suspect_and_none_is_alive(paths: Paths) -> None:
    path, dead = spare(paths, "two"), spare(paths, "three")
    path.liveness.deadline = dead.liveness.deadline = 100.0
    paths.probe_spares_if_doubtful(now=1.0)
    assert path.liveness.deadline == 100.0
    paths.active.liveness.state = path.liveness.state = PathState.SUSPECT
    dead.liveness.state = PathState.DEAD
    paths.probe_spares_if_doubtful(now=2.0)
    assert (path.liveness.deadline, dead.liveness.deadline) == (2.0, 100.0)
    path.liveness.state = PathState.ALIVE
    paths.probe_spares_if_doubtful(now=3.0)
    assert paths.active is path


def test_traffic_makes_the_path_in_use_busy_and_a_full_one_loaded_for_a_while(paths: Paths) -> None:
    path = spare(paths, "two")
    seen = []
    for now, carried in enumerate((BUSY_BYTES + 1, BUSY_BYTES, LOADED_BYTES, LOADED_BYTES + 1, 0), 1):
        paths.active.tx_bytes += carried // 2
        paths.active.rx_bytes += carried - carried // 2
        paths.sweep(now=now)
        seen.append((paths.active.liveness.role, paths.active.rtt.window_s))
    quiet, busy = (Role.SELECTED, WINDOW_S), (Role.BUSY, WINDOW_S)
    assert seen == [busy, quiet, busy, (Role.BUSY, LOADED_WINDOW_S), (Role.SELECTED, LOADED_WINDOW_S)]
    assert (path.liveness.role, path.rtt.window_s) == (Role.SPARE, WINDOW_S)
    paths.sweep(now=4.0 + LOADED_FOR_S)
    assert paths.active.rtt.window_s == WINDOW_S


def test_bytes_stay_counted_whichever_way_a_path_goes(paths: Paths) -> None:
    def carry() -> tuple[int, int]:
        for path in paths:
            path.tx_bytes += 10
            path.rx_bytes += 1
        return paths.tx_bytes, paths.rx_bytes

    assert carry() == (10, 1)
    paths.answered(paths.meet(at("two"), paths.active.peer_number, now=1.0))
    assert hosts(paths) == ["two"], "the neighbour has moved"
    assert carry() == (20, 2)
    spare(paths, "one", rtt_s=1.0).liveness.state = PathState.DEAD
    paths.by_endpoint[at("one")].is_validated = False
    assert carry() == (40, 4)
    paths.sweep(now=2.0)
    assert hosts(paths) == ["two"], "a dead one is removed"
    assert carry() == (50, 5)
    for number in range(PATHS_PER_LINK):
        spare(paths, f"more-{number}")
    before = carry()
    assert len(paths.by_endpoint) == PATHS_PER_LINK, "the oldest gave way"
    spare(paths, "yet-another")
    assert (paths.tx_bytes, paths.rx_bytes) == before
    for path in paths:  # two of the host's addresses to one of the neighbour's become one path
        path.endpoint = at("one", local=path.endpoint.host.encode())
    paths.network_changed(now=3.0)
    assert hosts(paths) == ["one"]
    assert (paths.tx_bytes, paths.rx_bytes) == before


# -- what this host's network does -------------------------------------------------------------------------------------


def test_a_changed_network_has_every_path_probed_from_whichever_address_and_its_size_found_anew(paths: Paths) -> None:
    paths.by_endpoint.clear()
    paths.active.endpoint = at("one", local=b"\1")
    paths.by_endpoint[paths.active.endpoint] = paths.active
    path = spare(paths, "two")
    for known in (paths.active, path):
        known.mtu.acknowledged(1_452, now=0.0)
        known.liveness.deadline = 100.0
    paths.network_changed(now=5.0)
    assert list(paths.by_endpoint) == [at("two"), at("one")], "the one in use wins where two become the same"
    for known in (paths.active, path):
        assert (known.mtu.size, known.mtu.deadline, known.liveness.deadline) == (DATAGRAM_FLOOR, 5.0, 5.0)
        assert known.liveness.state is PathState.ALIVE


def test_a_lost_address_makes_its_paths_suspect_and_has_the_others_probed(paths: Paths) -> None:
    lost = paths.active
    lost.endpoint = at("one", local=b"\1")
    paths.by_endpoint = {lost.endpoint: lost}
    path = spare(paths, "two")
    lost.probes[1] = 0.0, 0
    path.liveness.deadline = 100.0
    paths.host_lost(Lost(addresses=frozenset([b"\1"])), now=5.0)
    assert (lost.liveness.state, path.liveness.state) == (PathState.SUSPECT, PathState.ALIVE)
    assert (paths.active, path.liveness.deadline, lost.liveness.deadline) == (path, 5.0, 5.0)
    assert (lost.probes, lost.endpoint) == ({}, at("one")), (
        "what it was asked may never have left; the kernel chooses anew"
    )


def test_a_lost_way_to_one_endpoint_says_nothing_of_the_others(paths: Paths) -> None:
    path = spare(paths, "two")
    path.liveness.deadline = 100.0
    paths.host_lost(Lost(endpoint=at("one")), now=5.0)
    assert (paths.active, path.liveness.deadline) == (path, 100.0)


def test_a_gain_has_lost_paths_probed_again_and_leaves_the_others_alone(paths: Paths) -> None:
    path = spare(paths, "two")
    path.liveness.deadline = 100.0
    paths.host_lost(Lost(endpoint=at("one")), now=5.0)
    lost = paths.by_endpoint[at("one")]
    lost.liveness.handle_timeout(now=5.0)
    assert lost.liveness.deadline > 5.0
    paths.host_gained(now=5.001)
    assert (lost.liveness.deadline, path.liveness.deadline) == (5.001, 100.0)


def test_an_icmp_error_has_the_path_it_names_probed_and_nothing_more(paths: Paths) -> None:
    path = spare(paths, "two")
    for known in (paths.active, path):
        known.liveness.deadline = 100.0
    assert not paths.reported_unreachable([remote_of(at("three"))], now=5.0)
    assert paths.reported_unreachable([remote_of(at("two", local=b"\7"))], now=5.0)
    assert (paths.active.liveness.deadline, path.liveness.deadline) == (100.0, 5.0)
    assert path.liveness.state is PathState.ALIVE


def test_the_neighbour_s_addresses_are_told_whichever_of_this_host_s_they_are_spoken_to_from(paths: Paths) -> None:
    paths.meet(at("one", local=b"\1"), 0, now=1.0)
    paths.meet(at("two", local=b"\2"), 1, now=1.0)
    assert paths.remotes() == {at("one"), at("two")}


def test_new_keys_begin_with_nothing_to_be_acknowledged_on_any_path(paths: Paths) -> None:
    spare(paths, "two")
    for path in paths:
        path.liveness.sent(5, wants_ack=True, now=1.0)
    paths.restart_counters()
    assert [path.liveness.silent_since for path in paths] == [math.inf] * 2


def test_the_next_deadline_is_that_of_any_path(paths: Paths) -> None:
    path = spare(paths, "two")
    for known in (paths.active, path):
        known.liveness.deadline = known.mtu.deadline = 100.0
    assert paths.next_deadline() == 100.0
    path.liveness.ack_due = 50.0
    assert paths.next_deadline() == 50.0
    path.mtu.deadline = 40.0
    assert paths.next_deadline() == 40.0
    path.is_validated = False
    assert paths.next_deadline() == 50.0, "its size is not probed before it has answered"
