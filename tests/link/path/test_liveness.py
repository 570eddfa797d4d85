"""A cut is found in a quarter of a second under traffic; loss, queues and starved processes kill nothing; idling is cheap."""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from functools import partial

import pytest

from mycelium.link.path.liveness import (
    ACK_GAP_S,
    ANSWER_WITHIN_S,
    DEAD_AFTER_HEARD_S,
    DEAD_AFTER_S,
    FALSE_ALARMS_PER_DAY,
    LATE_S,
    LEAST_PROBES,
    MOST_PROBES,
    QUIET_S,
    REMEMBERED_PROBES,
    SILENT_AFTER_S,
    SUSPECT_AFTER_S,
    TRANSITIONS,
    Action,
    Liveness,
    PathState,
    Role,
)
from mycelium.link.path.rtt import RttEstimator

DAY_S = 86_400.0


@pytest.mark.parametrize("seed", range(5))
def test_cut_under_traffic_is_found_within_a_quarter_of_a_second(seed: int) -> None:
    net = Pair(seed, delay=0.0005, jitter=0.0002)
    net.flow(0, every=0.001)
    net.run(until=3.0 + net.rng.random())
    cut_at = net.now
    assert net.deaths == []

    net.loss = [1.0, 1.0]
    net.run(until=cut_at + 0.150)
    states = [net.ends[0].state]
    net.run(until=cut_at + 0.250)
    states.append(net.ends[0].state)

    assert states == [PathState.SUSPECT, PathState.DEAD]
    assert net.ends[0].died_at == net.deaths[0][1] > cut_at + DEAD_AFTER_S


@pytest.mark.parametrize("deaf_side", [0, 1])
def test_cut_of_one_direction_is_a_cut(deaf_side: int) -> None:
    net = Pair(1, delay=0.0005, jitter=0.0002)
    net.flow(0, every=0.001)
    net.flow(1, every=0.001)
    net.run(until=3.0)

    net.loss[1 - deaf_side] = 1.0
    net.run(until=3.250)
    states = [net.ends[deaf_side].state, net.ends[1 - deaf_side].state]
    net.run(until=3.600)

    assert states == [PathState.DEAD, PathState.SUSPECT]
    assert [end.state for end in net.ends] == [PathState.DEAD, PathState.DEAD]


@pytest.mark.parametrize(("role", "within"), [(Role.BUSY, 0.2), (Role.SELECTED, 2.0), (Role.SPARE, 5.0)])
def test_cut_of_an_idle_path_is_found_after_its_interval(role: Role, within: float) -> None:
    net = Pair(2, delay=0.005, jitter=0.0, role=role)
    net.run(until=60.0)
    net.loss = [1.0, 1.0]

    net.run(until=60.0 + within + DEAD_AFTER_S + 0.050)

    assert net.ends[0].state is PathState.DEAD


def test_path_lives_again_with_the_first_answer() -> None:
    net = Pair(3, delay=0.005, jitter=0.0)
    net.run(until=5.0)
    net.loss = [1.0, 1.0]
    net.run(until=30.0)
    died_at = net.ends[0].died_at
    assert died_at > 5.0

    net.loss = [0.0, 0.0]
    net.run(until=31.1)

    assert net.ends[0].state is PathState.ALIVE
    assert net.ends[0].died_at == died_at
    net.run(until=200.0)
    assert len(net.deaths) == 2


def test_dead_path_is_probed_once_a_second() -> None:
    net = Pair(4, delay=0.005, jitter=0.0, role=Role.BUSY)
    net.run(until=5.0)
    net.loss = [1.0, 1.0]
    net.run(until=10.0)
    before = net.frames[0]

    net.run(until=110.0)

    assert net.frames[0] - before == pytest.approx(100, abs=1)


def unanswered(*, late_s: float = 0.0, is_heard: bool = False) -> tuple[list[float], float, float]:
    """Returns when a new path with a round trip of 1 ms is probed, SUSPECT and DEAD if no probe is ever answered."""
    rtt = RttEstimator()
    rtt.sample(0.001, now=0.0)
    path = Liveness(rtt, now=0.0)
    probes: list[float] = []
    suspect_at = math.inf
    while path.state is not PathState.DEAD:
        now = path.next_deadline() + late_s
        if is_heard:
            path.received(now=now)
        if path.handle_timeout(now=now) is Action.PROBE:
            probes.append(now)
        if path.state is PathState.SUSPECT:
            suspect_at = min(suspect_at, now)
    return probes, suspect_at, path.died_at


def test_a_new_path_is_judged_by_as_many_probes_and_as_much_time_as_any_other() -> None:
    probes, suspect_at, died_at = unanswered()
    assert probes[0] == 0.0
    assert len([probe for probe in probes if probe < suspect_at]) == 3
    assert SUSPECT_AFTER_S <= suspect_at < 0.1
    assert died_at == pytest.approx(DEAD_AFTER_S + 0.003)  # and the round trip, as uncertain as it is


def test_a_path_that_the_peer_is_still_heard_over_is_given_more_time() -> None:
    _, suspect_at, died_at = unanswered(is_heard=True)
    assert suspect_at == unanswered()[1]
    assert DEAD_AFTER_HEARD_S < died_at < DEAD_AFTER_HEARD_S + 0.05


def test_a_deadline_handled_a_little_late_is_judged_and_a_later_one_postponed_once() -> None:
    assert len(unanswered(late_s=LATE_S - 0.005)[0]) < len(unanswered(late_s=LATE_S + 0.005)[0])


def test_a_dead_path_out_of_use_is_probed_no_more_often_than_a_living_one() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.SPARE)
    while path.state is not PathState.DEAD:
        path.handle_timeout(now=path.next_deadline())
    probes: list[float] = []
    while len(probes) < 3:
        now = path.next_deadline()
        if path.handle_timeout(now=now) is Action.PROBE:
            probes.append(now)

    assert probes == pytest.approx([path.died_at + Role.SPARE.value * number for number in (1, 2, 3)])


@pytest.mark.parametrize(("role", "frames_per_second"), [(Role.BUSY, 10.0), (Role.SELECTED, 1.0), (Role.SPARE, 0.4)])
def test_idle_path_costs_a_probe_and_a_reply_an_interval(role: Role, frames_per_second: float) -> None:
    net = Pair(5, delay=0.02, jitter=0.001, role=role)
    net.run(until=200.0)

    assert net.frames[0] / 200.0 == pytest.approx(frames_per_second, rel=0.02)


def test_traffic_both_ways_costs_only_the_probes_of_its_role() -> None:
    net = Pair(6, delay=0.005, jitter=0.001, role=Role.BUSY)
    net.flow(0, every=0.002)
    net.flow(1, every=0.002)
    net.run(until=100.0)

    assert net.extra_frames[0] / 100.0 == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize("every", [0.002, 0.02, 0.05])
@pytest.mark.parametrize(("delay", "echoes"), [(0.0002, 50), (0.005, 34), (0.02, 20)])
def test_traffic_one_way_is_echoed_before_it_must_be_asked_for(delay: float, echoes: int, every: float) -> None:
    net = Pair(7, delay=delay, jitter=delay / 5, role=Role.BUSY)
    net.flow(0, every=every)
    net.run(until=100.0)

    probes, answers = (frames / 100.0 for frames in net.extra_frames)
    assert probes == pytest.approx(10.0, rel=0.02)  # both ends ask at the interval of their role, and reply
    assert answers < echoes + 10.0


def test_day_of_five_percent_loss_kills_no_idle_path() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.SELECTED)

    assert deaths_in(path, random.Random(8), seconds=DAY_S, loss=0.05) == 0
    assert path.loss == pytest.approx(1 - 0.95**2, abs=0.06)


@pytest.mark.parametrize("loss", [0.01, 0.05])
def test_hours_of_loss_kill_no_busy_path(loss: float) -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.BUSY)

    assert deaths_in(path, random.Random(9), seconds=DAY_S / 6, loss=loss) == 0


def test_loss_under_traffic_kills_nothing() -> None:
    net = Pair(10, delay=0.005, jitter=0.002, role=Role.BUSY)
    net.loss = [0.05, 0.05]
    net.flow(0, every=0.01)
    net.run(until=300.0)

    assert net.deaths == []


def test_queue_that_fills_kills_nothing() -> None:
    net = Pair(11, delay=0.0005, jitter=0.0001, role=Role.BUSY)
    net.flow(0, every=0.001)
    net.run(until=5.0)
    for _ in range(20):
        for step in range(100):  # half a second of queue grows in a quarter, stays and drains
            net.at(net.now + 0.0025 * step, partial(net.queue, 0.005 * step))
            net.at(net.now + 2.0 + 0.0025 * step, partial(net.queue, 0.5 - 0.005 * step))
        net.run(until=net.now + 5.0)

    assert net.deaths == []


@pytest.mark.parametrize("side", [0, 1], ids=["we", "the peer"])
def test_process_starved_for_200_ms_kills_nothing(side: int) -> None:
    net = Pair(12, delay=0.0005, jitter=0.0002, role=Role.BUSY)
    net.flow(0, every=0.001)
    for _ in range(200):
        net.run(until=net.now + 0.3 + net.rng.random())
        net.starve(side, 0.200)

    assert net.deaths == []


@pytest.mark.parametrize("delay", [0.005, 0.02, 0.1])
def test_peer_that_falls_asleep_just_before_it_is_asked_is_waited_for(delay: float) -> None:
    net = Pair(14, delay=delay, jitter=0.0, role=Role.BUSY)
    for _ in range(300):
        net.run(until=net.now + 1.0 + net.rng.random())
        net.starve(1, 0.200)

    assert net.deaths == []


def test_peer_whose_data_stops_is_asked_before_its_turn_and_only_once() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.BUSY)
    assert path.handle_timeout(now=0.0) is Action.PROBE
    path.sent(1, now=0.0, wants_ack=True)
    path.probe_answered(now=0.001)
    path.acknowledged(1, now=0.001)
    for step in range(1, 6):
        path.received(now=step / 100, wants_ack=True)
    probes = []
    while (now := path.next_deadline()) < 0.29:
        if path.handle_timeout(now=now) is Action.PROBE:
            probes.append(now)
            path.sent(len(probes) + 1, now=now, wants_ack=True)
            path.acknowledged(len(probes) + 1, now=now)
            path.probe_answered(now=now)
        elif now >= path.ack_due:
            path.sent(50, now=now, wants_ack=False)

    assert probes == [pytest.approx(0.05 + QUIET_S)]


def test_laptop_that_slept_for_an_hour_probes_before_it_judges() -> None:
    net = Pair(13, delay=0.0005, jitter=0.0, role=Role.BUSY)
    net.run(until=5.0)
    net.starve(0, 3_600.0)
    net.run(until=3_700.0)

    assert [side for side, _ in net.deaths] == [1]
    assert net.ends[1].state is PathState.ALIVE


@pytest.mark.parametrize("deadlines", range(8))
def test_deadline_handled_late_asks_again_before_it_judges(deadlines: int) -> None:
    path, _ = path_that_asks()
    for _ in range(deadlines):
        path.handle_timeout(now=path.next_deadline())
    before = path.state

    action = path.handle_timeout(now=path.next_deadline() + 0.300)

    assert (action, path.state) == (Action.PROBE, before)


def test_peer_that_pauses_shortly_is_not_suspected() -> None:
    path, asked_at = path_that_asks()

    now = asked_at
    while path.state is PathState.ALIVE:
        path.handle_timeout(now=(now := path.next_deadline()))

    assert now >= asked_at + SUSPECT_AFTER_S


def test_peer_that_answers_late_because_it_is_busy_is_suspected_later() -> None:
    found = []
    for waited_s in (0.0, 0.010):
        path, asked_at = path_that_asks(waited_s=waited_s)
        while path.state is PathState.ALIVE:
            path.handle_timeout(now=(now := path.next_deadline()))
        found.append(now - asked_at)

    assert found[1] - found[0] > 0.040


def test_process_that_is_always_late_still_finds_a_cut() -> None:
    path = Liveness(RttEstimator(), now=0.0)
    now = 0.0
    while path.state is not PathState.DEAD:
        now = path.next_deadline() + 0.030
        path.handle_timeout(now=now)
        assert now < 30.0


def test_probes_to_die_follow_the_loss_within_their_bounds() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.SELECTED)
    found = {}
    for loss in (0.0, 0.01, 0.05, 0.3):
        deaths_in(path, random.Random(14), seconds=3_000.0, loss=loss)
        found[loss] = path.probes_to_die

    assert found[0.0] == LEAST_PROBES
    assert found[0.0] < found[0.01] < found[0.05] < found[0.3] == MOST_PROBES


def test_the_loss_counts_as_a_little_more_than_was_seen_since_the_sample_is_small() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.BUSY)
    path._answered = 0.95 * REMEMBERED_PROBES
    a_day = DAY_S / Role.BUSY.value
    enough_for_what_was_seen = math.ceil(math.log(a_day / FALSE_ALARMS_PER_DAY, 1 / 0.05))
    assert path.probes_to_die == enough_for_what_was_seen + 1


@pytest.mark.parametrize(("rtt_s", "gap_s"), [(None, 0.020), (0.001, 0.021), (0.02, 0.040), (0.3, ACK_GAP_S)])
def test_echo_is_owed_within_20_ms_but_only_so_often(rtt_s: float | None, gap_s: float) -> None:
    rtt = RttEstimator()
    if rtt_s is not None:
        rtt.sample(rtt_s, now=0.0)
    path = Liveness(rtt, now=0.0)
    assert path.handle_timeout(now=0.0) is Action.PROBE
    path.sent(1, now=0.0, wants_ack=True)

    assert path.received(now=1.0) == path.next_deadline()
    assert path.ack_due == math.inf
    assert path.received(now=1.0, wants_ack=True) == path.next_deadline()
    path.received(now=1.01, wants_ack=True)
    assert path.ack_due == 1.0 + ANSWER_WITHIN_S
    path.sent(2, now=1.02, wants_ack=False)
    assert path.ack_due == math.inf
    path.received(now=1.021, wants_ack=True)
    assert path.ack_due == pytest.approx(max(1.021 + ANSWER_WITHIN_S, 1.02 + gap_s))


def test_owed_echo_is_asked_for_when_due() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.SPARE)
    path.handle_timeout(now=0.0)
    path.sent(1, now=0.0, wants_ack=True)
    path.acknowledged(1, now=0.01)
    path.received(now=0.5, wants_ack=True)
    while path.next_deadline() < 0.5 + ANSWER_WITHIN_S:
        assert path.handle_timeout(now=path.next_deadline()) is Action.NONE

    assert path.next_deadline() == 0.5 + ANSWER_WITHIN_S
    assert path.handle_timeout(now=0.5 + ANSWER_WITHIN_S) is Action.ACK


def test_timeout_before_its_time_does_nothing() -> None:
    path = Liveness(RttEstimator(), now=1.0)

    assert path.handle_timeout(now=0.9) is Action.NONE


@pytest.mark.parametrize("echo", [0, 41, 999, 0x8000_0042], ids=["none", "old", "never sent", "half a turn away"])
def test_echo_of_nothing_new_is_no_evidence(echo: int) -> None:
    path = suspect_path(newest=50, echoed=42)
    states = []
    for counter in (42, echo, 43):
        path.acknowledged(counter, now=100.0)
        states.append(path.state)

    assert states == [PathState.SUSPECT, PathState.SUSPECT, PathState.ALIVE]


def test_echo_is_understood_where_counters_pass_32_bits() -> None:
    path = suspect_path(newest=(7 << 32) + 5, echoed=0xFFFF_FFF0)

    path.received(ack=4, now=100.0)

    assert path.state is PathState.ALIVE


def test_counters_of_a_new_session_start_over() -> None:
    path = suspect_path(newest=5_000_000, echoed=4_000_000)
    path.restart_counters()
    path.sent(1, now=100.0, wants_ack=True)

    states = []
    for counter in (4_000_000, 1):
        path.acknowledged(counter, now=100.0)
        states.append(path.state)

    assert states == [PathState.SUSPECT, PathState.ALIVE]


def test_a_new_session_keeps_what_is_asked_and_forgets_what_was_merely_sent() -> None:
    asked, _ = path_that_asks()
    asked.sent(asked._sent + 1, wants_ack=True, now=asked._probe_at)
    asked.restart_counters()
    assert asked.silent_since < math.inf

    sent = Liveness(RttEstimator(), now=0.0)
    sent.sent(1, wants_ack=True, now=0.0)
    sent.restart_counters()
    assert sent.silent_since == math.inf


def test_doubt_probes_at_once_but_not_again_before_the_answer() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.SPARE)
    path.handle_timeout(now=0.0)
    path.probe_answered(now=0.1)

    path.probe_now(now=1.0)
    assert path.handle_timeout(now=1.0) is Action.PROBE
    path.probe_now(now=1.01)
    assert path.handle_timeout(now=1.01) is Action.NONE


def test_rumour_asks_a_living_path_at_most_once_a_probe_timeout_and_a_dead_one_never() -> None:
    path, asked_at = path_that_asks()
    path.probe_answered(now=asked_at)
    probes = 0
    for step in range(1_000):
        now = asked_at + step / 1_000
        path.reported_unreachable(now=now)
        if path.handle_timeout(now=now) is Action.PROBE:
            probes += 1
            path.sent(10_000_000 + step, now=now, wants_ack=True)
            path.acknowledged(10_000_000 + step, now=now)
            path.probe_answered(now=now)
    assert 20 < probes < 40

    while path.state is not PathState.DEAD:
        path.handle_timeout(now=(now := path.next_deadline()))
    path.reported_unreachable(now=now + 0.5)
    assert path.handle_timeout(now=now + 0.5) is Action.NONE


def test_rumour_about_a_path_that_is_asked_already_shortens_its_patience() -> None:
    found = []
    for is_told in (True, False):
        path, asked_at = path_that_asks()
        if is_told:
            path.reported_unreachable(now=asked_at + 0.001)
        while path.state is PathState.ALIVE:
            path.handle_timeout(now=(now := path.next_deadline()))
        found.append(now - asked_at)

    assert found[0] < SUSPECT_AFTER_S <= found[1]


def test_cut_path_is_in_doubt_until_something_newer_is_echoed() -> None:
    path = Liveness(RttEstimator(), now=0.0)
    path.sent(5, now=0.0, wants_ack=True)
    path.lose("cut", now=0.1)
    states = [path.state]
    path.acknowledged(5, now=0.1)
    states.append(path.state)
    assert path.handle_timeout(now=0.1) is Action.PROBE
    path.sent(6, now=0.1, wants_ack=True)
    path.acknowledged(6, now=0.2)

    assert [*states, path.state] == [PathState.SUSPECT, PathState.SUSPECT, PathState.ALIVE]


def test_cut_path_is_dead_as_soon_as_a_question_is_overdue() -> None:
    path, _ = path_that_asks()
    path.probe_answered(now=200.5)
    path.lose("cut", now=201.0)
    while path.state is not PathState.DEAD:
        path.handle_timeout(now=path.next_deadline())
        path.lose("cut", now=path.next_deadline())  # told again and again

    assert path.died_at - 201.0 < 0.04


def test_doubted_path_is_suspected_as_soon_as_two_questions_are_overdue() -> None:
    path, _ = path_that_asks()
    path.probe_answered(now=200.5)
    path.probe_now(now=201.0)
    now = 201.0
    while path.state is PathState.ALIVE:
        path.handle_timeout(now=now)
        now = path.next_deadline()

    assert path._probe_at - 201.0 < SUSPECT_AFTER_S


def test_busier_role_probes_sooner() -> None:
    path = Liveness(RttEstimator(), now=0.0, role=Role.SPARE)
    path.handle_timeout(now=0.0)
    path.sent(1, now=0.0, wants_ack=True)
    path.acknowledged(1, now=0.01)
    while path.next_deadline() < 1.0:
        path.handle_timeout(now=path.next_deadline())

    path.set_role(Role.SELECTED)

    assert path.next_deadline() == Role.SELECTED.value


def test_path_is_never_dead_before_it_is_suspect() -> None:
    assert PathState.DEAD not in TRANSITIONS[PathState.ALIVE]
    assert TRANSITIONS.keys() == set(PathState)


def quiet_path(rtt_s: float = 0.010, *, role: Role = Role.SPARE) -> Liveness:
    """Returns a path that has answered its first probe, after a round trip that has been the same for long."""
    rtt = RttEstimator()
    for _ in range(60):
        rtt.sample(rtt_s, now=0.0)
    path = Liveness(rtt, role=role, now=0.0)
    path.handle_timeout(now=0.0)
    path.sent(1, wants_ack=True, now=0.0)
    path.acknowledged(1, now=rtt_s)
    path.probe_answered(now=rtt_s)
    return path


def until_dead(path: Liveness) -> list[float]:
    """Lets nothing be answered; returns when probes were sent."""
    probes = []
    while path.state is not PathState.DEAD:
        now = path.next_deadline()
        if path.handle_timeout(now=now) is Action.PROBE:
            probes.append(now)
    return probes


def test_a_new_path_has_never_died_and_owes_an_acknowledgement_only_for_data() -> None:
    path = Liveness(RttEstimator(), now=0.0)
    assert (path.died_at, path.ack_due, path.is_doubtful) == (-math.inf, math.inf, False)
    path.received(wants_ack=True, now=1.0)
    assert path.ack_due == 1.0 + ANSWER_WITHIN_S
    path.sent(1, wants_ack=False, now=1.0)
    path.acknowledged(1, now=1.0)
    assert path.silent_since == math.inf


def test_an_answered_path_is_left_alone_until_its_next_turn_or_until_something_sent_is_not_answered() -> None:
    path = quiet_path()
    assert path.next_deadline() == Role.SPARE.value
    path.sent(2, wants_ack=True, now=1.0)
    path.set_role(Role.SPARE)  # as each second
    assert path.next_deadline() == pytest.approx(1.0 + 0.010 + 0.025)


def test_the_silence_ends_with_the_acknowledgement_of_the_newest_frame_that_wants_one() -> None:
    path = quiet_path()
    for counter in (2, 3):
        path.sent(counter, wants_ack=True, now=1.0)
    path.acknowledged(2, now=1.02)
    assert path.silent_since == 1.02
    path.acknowledged(3, now=1.03)
    assert path.silent_since == math.inf


@pytest.mark.parametrize("is_new_session", [False, True])
def test_an_acknowledgement_of_what_was_never_sent_is_no_evidence(is_new_session: bool) -> None:
    path = Liveness(RttEstimator(), now=0.0)
    if is_new_session:
        path.sent(7, wants_ack=False, now=0.0)
        path.restart_counters()
    while path.state is PathState.ALIVE:
        path.handle_timeout(now=(now := path.next_deadline()))
    path.acknowledged(1, now=now)
    assert path.state is PathState.SUSPECT


def test_of_two_late_deadlines_in_a_row_the_second_is_judged() -> None:
    path = Liveness(RttEstimator(), now=0.0)
    assert path.handle_timeout(now=1.0) is Action.PROBE
    path.handle_timeout(now=path.next_deadline() + 1.0)
    assert path.is_doubtful
    path.probe_answered(now=3.0)
    assert not path.is_doubtful


def test_probes_that_are_lost_in_a_cut_are_no_loss() -> None:
    path = quiet_path()
    before = path.loss
    until_dead(path)
    path.probe_answered(now=path.died_at + 0.01)
    assert path.loss <= before


def test_data_that_stops_has_a_busy_path_woken_for_a_look() -> None:
    path = quiet_path(role=Role.BUSY)
    path.received(wants_ack=True, now=0.02)
    assert path.deadline == 0.02 + QUIET_S


def test_a_path_that_owes_nothing_is_probed_at_once_where_a_cut_is_feared() -> None:
    path = quiet_path()
    path.probe_now(now=1.0)
    assert path.handle_timeout(now=1.0) is Action.PROBE
    path.sent(2, wants_ack=True, now=1.0)
    path.acknowledged(2, now=1.01)
    assert path.next_deadline() == 1.0 + Role.SPARE.value


def test_a_lost_path_is_silent_since_it_was_lost_or_longer() -> None:
    path, silent = quiet_path(), quiet_path()
    silent.sent(2, wants_ack=True, now=0.5)
    for one in (path, silent):
        one.lose("cut", now=1.0)
    assert (path.silent_since, silent.silent_since) == (1.0, 0.5)
    silent.probe_answered(now=2.0)
    assert silent.lost_because is None


def test_a_path_is_silent_once_a_probe_waits_for_longer_than_two_round_trips() -> None:
    path = quiet_path()
    path.probe_now(now=1.0)
    path.handle_timeout(now=1.0)
    waits_s = (0.0, 0.9 * (2 * 0.010 + SILENT_AFTER_S), 1.1 * (2 * 0.010 + SILENT_AFTER_S))
    assert [path.is_silent(now=1.0 + wait_s) for wait_s in waits_s] == [False, False, True]
    path.probe_answered(now=2.0)
    assert not path.is_silent(now=2.0)


def test_a_lost_path_is_probed_at_once_and_again_when_the_host_has_something_new_and_a_living_one_is_not() -> None:
    lost, living = quiet_path(), quiet_path()
    lost.lose("cut", now=1.0)
    assert (lost.lost_because, living.lost_because) == ("cut", None)
    assert lost.handle_timeout(now=1.0) is Action.PROBE
    for path in (lost, living):
        path.retry(now=1.001)
    assert [path.handle_timeout(now=1.001) for path in (lost, living)] == [Action.PROBE, Action.NONE]


def test_an_answer_ends_the_impatience_of_a_feared_cut() -> None:
    path = quiet_path(0.001)
    path.probe_now(now=1.0)
    path.handle_timeout(now=1.0)
    path.probe_answered(now=1.01)
    asked_at = now = path.next_deadline()
    while path.state is PathState.ALIVE:
        path.handle_timeout(now=(now := path.next_deadline()))
    assert now - asked_at >= SUSPECT_AFTER_S


def test_loss_is_estimated_as_a_thousandth_at_least_and_half_at_most_and_its_margin_is_that_of_a_small_sample() -> None:
    path = quiet_path(role=Role.SELECTED)
    path._answered = float(REMEMBERED_PROBES)
    assert (path.loss, path.probes_to_die) == (0.001, LEAST_PROBES)
    path._answered = 0.1 * REMEMBERED_PROBES
    assert path.loss == 0.5
    path._answered = (1 - 0.137) * REMEMBERED_PROBES
    assert path.probes_to_die == 9  # 10 if its margin were a seventh larger


def test_half_of_the_probes_of_a_death_make_a_lossy_path_suspect() -> None:
    path = quiet_path(role=Role.SELECTED)
    path._answered = (1 - 0.137) * REMEMBERED_PROBES
    path.probe_now(now=1.0)
    probes = 0
    while path.state is PathState.ALIVE:
        probes += path.handle_timeout(now=path.next_deadline()) is Action.PROBE
    assert probes == 1 + 9 // 2


def test_a_path_is_probed_each_timeout_until_it_dies_and_dies_in_time() -> None:
    path = quiet_path(0.015, role=Role.SELECTED)
    assert path.probes_to_die == 5
    asked_at = path.next_deadline()
    probes = until_dead(path)
    timeout_s = 0.015 + 0.025
    assert probes == pytest.approx([asked_at + timeout_s * number for number in range(6)] + [path.died_at])
    assert path.died_at == pytest.approx(asked_at + 0.015 + DEAD_AFTER_S)


def test_what_this_process_was_late_by_is_no_silence_of_the_peer() -> None:
    path = quiet_path(0.001, role=Role.SELECTED)
    asked_at = path.next_deadline()
    path.handle_timeout(now=asked_at)
    path.handle_timeout(now=path.next_deadline() + 0.3)
    until_dead(path)
    assert path.died_at == pytest.approx(asked_at + 0.3 + 0.001 + DEAD_AFTER_S)


def path_that_asks(*, waited_s: float = 0.0) -> tuple[Liveness, float]:
    """A path of 1 ms that has never lost anything, and when its probe that waits for an answer was sent.

    `waited_s` is what busy processes have lately added to its round trips.
    """
    rtt = RttEstimator()
    path = Liveness(rtt, now=0.0, role=Role.BUSY)
    deaths_in(path, random.Random(0), seconds=200.0, loss=0.0)
    for _ in range(50):
        rtt.sample(0.001 + waited_s, now=200.0, waited_s=waited_s)
    path.acknowledged(path._sent, now=200.0)
    while path.handle_timeout(now=(now := path.next_deadline())) is not Action.PROBE:
        pass
    return path, now


def suspect_path(*, newest: int, echoed: int) -> Liveness:
    path = Liveness(RttEstimator(), now=0.0)
    path.sent(echoed, now=0.0, wants_ack=True)
    path.acknowledged(echoed & 0xFFFF_FFFF, now=0.0)
    path.sent(newest, now=0.0, wants_ack=True)
    while path.state is PathState.ALIVE:
        path.handle_timeout(now=path.next_deadline())
    return path


def deaths_in(path: Liveness, rng: random.Random, *, seconds: float, loss: float) -> int:
    """Counts the deaths of a path that carries nothing but our probes, at 10 ms of round trip."""
    start = now = path.next_deadline()
    deaths = counter = 0
    answer_at = math.inf
    while now < start + seconds:
        now = min(path.next_deadline(), answer_at)
        if now == answer_at:
            answer_at = math.inf
            path._rtt.sample(0.01, now=now)
            path.acknowledged(counter & 0xFFFF_FFFF, now=now)
            path.probe_answered(now=now)
            continue
        was_dead = path.state is PathState.DEAD
        if path.handle_timeout(now=now) is Action.PROBE:
            counter += 1
            path.sent(counter, now=now, wants_ack=True)
            if rng.random() < (1 - loss) ** 2:
                answer_at = now + 0.01
        deaths += path.state is PathState.DEAD and not was_dead
    return deaths


class Pair:
    """Two ends of a path under virtual time: loss and queueing delay per direction, flows, starved processes."""

    def __init__(self, seed: int, *, delay: float, jitter: float, role: Role = Role.SELECTED) -> None:
        self.rng = random.Random(seed)
        self.delay, self.jitter, self.queued = delay, jitter, 0.0
        self.loss = [0.0, 0.0]  # of what each side sends
        self.now = 0.0
        self.frames = [0, 0]
        self.extra_frames = [0, 0]  # all but the flows'
        self.deaths: list[tuple[int, float]] = []
        self.rtts = (RttEstimator(), RttEstimator())
        self.ends = tuple(Liveness(rtt, now=0.0, role=role) for rtt in self.rtts)
        self._starved_until = [0.0, 0.0]
        self._newest = [0, 0]  # counter each side has received
        self._last_arrival = [0.0, 0.0]
        self._armed = [math.inf, math.inf]
        self._serial = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._arm(0)
        self._arm(1)

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._serial), action))

    def run(self, *, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = until

    def flow(self, side: int, *, every: float) -> None:
        if self.now >= self._starved_until[side]:
            self._send(side, "data")
            self._arm(side)
        self.at(self.now + every, partial(self.flow, side, every=every))

    def queue(self, seconds: float) -> None:
        self.queued = seconds

    def starve(self, side: int, seconds: float) -> None:
        self._starved_until[side] = self.now + seconds

    def _send(self, side: int, kind: str, asked_at: float = 0.0) -> None:
        self.frames[side] += 1
        self.extra_frames[side] += kind != "data"
        counter = self.frames[side]
        self.ends[side].sent(counter, now=self.now, wants_ack=kind in ("data", "probe"))
        if self.rng.random() < self.loss[side]:
            return
        arrival = self.now + self.delay + self.queued + self.rng.uniform(0, self.jitter)
        arrival = self._last_arrival[side] = max(arrival, self._last_arrival[side])
        echo = self._newest[side]
        self.at(arrival, partial(self._arrive, 1 - side, kind, counter, echo, asked_at or self.now))

    def _arrive(self, side: int, kind: str, counter: int, echo: int, asked_at: float) -> None:
        if self.now < self._starved_until[side]:
            self.at(self._starved_until[side], partial(self._arrive, side, kind, counter, echo, asked_at))
            return
        end = self.ends[side]
        self._newest[side] = max(self._newest[side], counter)
        end.received(now=self.now, wants_ack=kind == "data")
        if kind == "reply":
            self.rtts[side].sample(self.now - asked_at, now=self.now)
        end.acknowledged(echo, now=self.now)
        if kind == "reply":
            end.probe_answered(now=self.now)
        if kind == "probe":
            self._send(side, "reply", asked_at)
        self._arm(side)

    def _arm(self, side: int) -> None:
        deadline = max(self.ends[side].next_deadline(), self._starved_until[side], self.now)
        if deadline < self._armed[side]:
            self._armed[side] = deadline
            self.at(deadline, partial(self._fire, side))

    def _fire(self, side: int) -> None:
        if self.now != self._armed[side]:
            return
        self._armed[side] = math.inf
        end = self.ends[side]
        if self.now >= self._starved_until[side]:
            was_dead = end.state is PathState.DEAD
            action = end.handle_timeout(now=self.now)
            if end.state is PathState.DEAD and not was_dead:
                self.deaths.append((side, self.now))
            if action is not Action.NONE:
                self._send(side, "probe" if action is Action.PROBE else "echo")
        self._arm(side)
