"""What links do to datagrams and to batches of control messages."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sim.net.link import LinkModel, SimLink, Wire


def direction(**values: float) -> Wire:
    return Wire(LinkModel(**{"delay_s": 0.01, **values}), Random(1))  # type: ignore[arg-type]


def test_a_datagram_arrives_once_after_the_delay() -> None:
    assert direction().arrivals(100, now=5.0) == [5.01]


def test_a_closed_direction_carries_nothing() -> None:
    closed = direction()
    closed.is_open = False
    assert closed.arrivals(100, now=0.0) == []


def test_a_datagram_longer_than_the_mtu_vanishes() -> None:
    assert direction(mtu=1280).arrivals(1280, now=0.0)
    assert direction(mtu=1280).arrivals(1281, now=0.0) == []


def test_the_share_of_lost_datagrams_is_the_loss() -> None:
    lossy = direction(loss=0.2)
    arrived = sum(len(lossy.arrivals(100, now=0.0)) for _ in range(5000))
    assert 0.77 < arrived / 5000 < 0.83


def test_the_share_of_doubled_datagrams_is_the_duplication() -> None:
    doubling = direction(duplicate=0.1)
    assert 1.08 < sum(len(doubling.arrivals(100, now=0.0)) for _ in range(5000)) / 5000 < 1.12


def test_jitter_delays_but_reorders_nothing() -> None:
    jittery = direction(jitter_s=0.05)
    arrivals = [jittery.arrivals(100, now=n * 0.001)[0] for n in range(500)]
    assert arrivals == sorted(arrivals)
    assert max(arrival - n * 0.001 for n, arrival in enumerate(arrivals)) > 0.03


def test_reordered_datagrams_are_overtaken() -> None:
    reordering = direction(reorder=0.2, reorder_s=0.02)
    arrivals = [reordering.arrivals(100, now=n * 0.001)[0] for n in range(500)]
    assert arrivals != sorted(arrivals)


def test_a_narrow_link_sends_one_after_the_other_and_drops_beyond_its_queue() -> None:
    narrow = direction(bytes_per_s=10_000.0, queue_bytes=2_000)
    arrivals = [narrow.arrivals(1_000, now=0.0) for _ in range(5)]
    assert [round(found[0], 6) for found in arrivals[:3]] == [0.11, 0.21, 0.31]
    assert arrivals[3:] == [[], []]


def test_each_end_may_have_its_own_model() -> None:
    link = SimLink(1, 2, LinkModel(delay_s=0.01), Random(1))
    link.directions[1].reshape(delay_s=0.03, loss=0.5)
    link.directions[2].reshape(loss=0.5)
    assert link.round_trip_s == 0.04
    assert link.loss == 0.75


@given(
    st.lists(st.tuples(st.floats(0, 0.1), st.integers(1, 100_000)), max_size=50), st.floats(0, 0.5), st.floats(0, 0.1)
)
def test_batches_arrive_in_order_whatever_the_link_does(
    sent: list[tuple[float, int]], loss: float, jitter_s: float
) -> None:
    reliable = direction(loss=loss, jitter_s=jitter_s, bytes_per_s=1e6)
    link = SimLink(1, 2, LinkModel(delay_s=0.01), Random(1))
    now, arrivals = 0.0, []
    for gap, size in sent:
        now += gap
        arrivals.append(reliable.batch_arrival(size, link, now=now))
        assert arrivals[-1] >= now + 0.01
    assert arrivals == sorted(arrivals)


def test_a_link_with_two_ways_is_open_while_one_of_them_is() -> None:
    link = SimLink(1, 2, LinkModel(delay_s=0.01), Random(1))
    link.alternate = SimLink(1, 2, LinkModel(delay_s=0.02), Random(1))
    link.directions[1].is_open = False
    assert link.is_open
    assert link.carries(1)
    link.alternate.directions[1].is_open = False
    assert not link.is_open
    assert (link.carries(1), link.carries(2)) == (False, True)
    link.open()
    assert all(direction.is_open for lane in link.lanes() for direction in lane.directions.values())
