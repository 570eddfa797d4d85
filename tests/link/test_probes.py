"""Probes: round trips, loss reports and datagram sizes, from replies that count once."""

import pytest

from mycelium.link.path.rtt import SAMPLE_CEILING_S
from mycelium.link.probes import PROBES_REMEMBERED, Probes
from mycelium.wire.frame import PROBE_BODY, PROBE_IS_REPLY, PROBE_TAKES_UNSEALED, PROBE_WANTS_REPLY, ProbeFields
from tests.link.lab import DELAY_S, LinkLab


@pytest.fixture
def lab() -> LinkLab:
    lab = LinkLab()
    lab.settle(5)
    return lab


def probes_of(lab: LinkLab, name: str) -> Probes:
    return Probes(lab.link(name).frames, entropy=lab.ends[name].rng.randbytes)


def reply(token: int, *, waited_s: float = 0.0, opened: int = 0, newest: int = 0) -> ProbeFields:
    return ProbeFields(PROBE_IS_REPLY, waited_s, token, opened, newest)


def test_a_reply_measures_the_round_trip(lab: LinkLab) -> None:
    path = lab.link("a").paths.active
    lab.act(probes_of(lab, "a").ask, path)
    assert len(path.probes) == 1
    lab.run(2 * DELAY_S)
    assert not path.probes
    assert path.rtt.newest_on_wire == pytest.approx(2 * DELAY_S)


def test_a_reply_counts_once_and_only_for_a_probe_of_this_path(lab: LinkLab) -> None:
    probes, path = probes_of(lab, "a"), lab.link("a").paths.active
    probes.ask(path, now=lab.now)
    [token] = path.probes
    other = lab.link("a").paths.add_validated(path.endpoint._replace(host="b2"), now=lab.now)
    assert not probes.take_reply(other, reply(token), now=lab.now + 0.01)
    assert not probes.take_reply(path, reply(token ^ 1), now=lab.now + 0.01)
    assert probes.take_reply(path, reply(token), now=lab.now + 0.01)
    assert not probes.take_reply(path, reply(token), now=lab.now + 0.01)


def test_what_both_ends_waited_is_no_part_of_the_round_trip_on_the_wire(lab: LinkLab) -> None:
    probes, path = probes_of(lab, "a"), lab.link("a").paths.active
    probes.ask(path, now=lab.now)
    lab.link("a").frames.waited_s = 0.1
    probes.take_reply(path, reply(next(iter(path.probes)), waited_s=0.2), now=lab.now + 0.35)
    assert path.rtt.newest_on_wire == pytest.approx(0.05)


def test_a_size_probe_measures_no_round_trip(lab: LinkLab) -> None:
    probes, path = probes_of(lab, "a"), lab.link("a").paths.active
    measured_at = path.rtt.measured_at
    path.probes.clear()
    probes.ask_size(path, 1_400, now=lab.now)
    assert probes.take_reply(path, reply(next(iter(path.probes))), now=lab.now + 0.35)
    assert path.rtt.measured_at == measured_at


def test_a_round_trip_between_busy_hosts_is_that_of_the_wire_and_timeouts_see_all_of_it() -> None:
    lab = LinkLab()
    lab.waits_s.update(a=0.010, b=0.030)
    lab.run(10)
    rtt = lab.link("a").paths.active.rtt
    assert rtt.newest_on_wire == pytest.approx(2 * DELAY_S)
    assert rtt.srtt == pytest.approx(2 * DELAY_S + 0.040)


def test_a_reply_that_took_longer_than_any_round_trip_measures_nothing() -> None:
    lab = LinkLab()
    probes, path = probes_of(lab, "a"), lab.link("a").paths.active
    probes.ask(path, now=lab.now)
    token = next(reversed(path.probes))
    assert not probes.take_reply(path, reply(token), now=lab.now + SAMPLE_CEILING_S + 1)


def test_probes_that_are_remembered_are_bounded(lab: LinkLab) -> None:
    probes, path = probes_of(lab, "a"), lab.link("a").paths.active
    lab.cut("a", "b")
    for _ in range(2 * PROBES_REMEMBERED):
        lab.act(probes.ask, path)
    assert len(path.probes) == PROBES_REMEMBERED


def test_a_size_probe_has_the_size_it_asks_about_and_its_reply_settles_it() -> None:
    lab = LinkLab()
    lab.drop = lambda source, destination, data: len(data) > 1_400
    lab.run(5)
    path = lab.link("a").paths.active
    assert path.mtu.size == 1_392
    assert lab.link("a").frames.budget.floor == 1_392 - 32, "and a frame of one datagram may be as long"
    lab.sent.clear()
    lab.act(probes_of(lab, "a").ask_size, path, 1_452)
    assert [len(data) for source, _, data in lab.sent if source == "a"] == [1_452]
    lab.drop = lambda source, destination, data: len(data) > 1_452
    lab.act(probes_of(lab, "a").ask_size, path, 1_452)
    lab.run(0.1)
    assert path.mtu.size == 1_452


def test_lost_size_probes_are_counted_apart_and_nobody_misses_them(lab: LinkLab) -> None:
    frames, other = lab.link("a").frames, lab.link("b").frames
    before = frames.counters.mtu_probes_sent
    lab.drop = lambda source, destination, data: len(data) > 1_452
    for _ in range(20):
        lab.act(probes_of(lab, "a").ask_size, lab.link("a").paths.active, 1_472)
        lab.send("a", b"data")
        lab.run(0.05)
    lab.run(3)
    assert frames.counters.mtu_probes_sent == before + 20
    assert (frames.budget.missed, frames.budget.loss) == (0, 0.0)
    assert (other.counters.frames_given_up, frames.counters.repair_ranges_refused) == (0, 0)
    assert all(keypair.gaps.is_clean for keypair in other.keypairs.by_index.values())


def test_a_size_probe_is_answered_once_over_a_known_path_and_says_nothing_else(lab: LinkLab) -> None:
    asking, path = lab.link("a"), lab.link("a").paths.active
    probes_of(lab, "a").ask_size(path, 1_400, now=lab.now)
    [(_, [data], size, is_bulk, _)] = lab.ends["a"].outbox.transmits
    assert (size, is_bulk) == (1_400, False)
    lab.ends["a"].outbox.clear()
    link, heard_at = lab.link("b"), lab.link("b").frames.last_heard
    index, answered = int.from_bytes(data[4:8], "big"), link.frames.counters.mtu_probes_answered
    elsewhere = link.paths.active.endpoint._replace(host="elsewhere")
    for endpoint in (elsewhere, link.paths.active.endpoint, link.paths.active.endpoint):
        link.receive(index, endpoint, memoryview(data), len(data), waited_s=0.0, now=lab.now + 1)
    assert link.frames.counters.mtu_probes_answered == answered + 1
    assert link.frames.counters.frames_not_opened == 1, "the copy"
    assert link.frames.last_heard == heard_at
    assert len(link.paths.by_endpoint) == 1
    assert asking.paths.active is path


def test_a_report_of_frames_under_another_keypair_says_nothing(lab: LinkLab) -> None:
    frames, probes = lab.link("a").frames, probes_of(lab, "a")
    for _ in range(100):
        lab.send("a", b"data")
    counter = frames.keypairs.sending.sealing.counter
    opened, newest = lab.link("b").paths.active.arrivals
    probes.take_report(reply(0, opened=opened, newest=counter), now=lab.now)
    assert frames.budget.missed == 0, "this counter was never sent under the keypair in use"
    probes.take_report(reply(0, opened=opened, newest=counter - 1), now=lab.now)
    assert frames.budget.missed == counter - 1 - newest


def test_the_newest_probe_tells_whether_the_neighbour_takes_unsealed_trains(lab: LinkLab) -> None:
    frames, path = lab.link("a").frames, lab.link("a").paths.active
    assert frames.takes_unsealed
    for flags in (0, PROBE_TAKES_UNSEALED, 0xFF ^ PROBE_TAKES_UNSEALED ^ PROBE_WANTS_REPLY):
        body = memoryview(PROBE_BODY.pack(flags, bytes(3), 0, 0, 0))
        probes_of(lab, "a").receive(path, body, is_up=True, now=lab.now)
        assert frames.takes_unsealed is bool(flags & PROBE_TAKES_UNSEALED)
