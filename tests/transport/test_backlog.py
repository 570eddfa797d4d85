"""When local senders wait for the queues of connections, and how much is in all of them together."""

from mycelium.limits import STALL_BYTES, UNSENT_BYTES
from mycelium.transport.backlog import BACKED_UP_SHARE, RELIEVED_SHARE, STALL_S, STALLS_SHARE, Backlog, ConnectionQueue

LIMIT = 80_000


def queue_of(size: int = 0) -> ConnectionQueue[str]:
    queue: ConnectionQueue[str] = ConnectionQueue(LIMIT, LIMIT)
    if size:
        assert queue.put("some", size, is_bulk=True)
    return queue


def test_the_backlog_begins_and_ends_at_different_lengths() -> None:
    queue = queue_of(LIMIT // BACKED_UP_SHARE)
    assert queue.judge(now=0.0) == 0
    assert queue.put("x", 1, is_bulk=True)
    assert (queue.judge(now=0.0), queue.judge(now=0.0)) == (1, 0)
    assert not queue.put("too much", STALL_BYTES, is_bulk=True)
    queue.is_backlog_told = False  # as when senders have waited for long enough
    assert queue.judge(now=0.0) == 0
    queue.pop()
    assert queue.bytes < LIMIT // RELIEVED_SHARE
    assert queue.judge(now=0.0) == 0
    assert not queue.is_backed_up


def test_all_queues_are_counted_and_senders_wait_for_any_of_them() -> None:
    backlog, one, other = Backlog(), queue_of(LIMIT), queue_of(LIMIT)
    backlog.follow(one, now=0.0)
    backlog.follow(other, now=0.0)
    assert (backlog.unsent_bytes, backlog.is_waited_for) == (2 * LIMIT, True)
    one.pop()
    backlog.follow(one, now=0.0)
    assert (backlog.unsent_bytes, backlog.is_waited_for) == (LIMIT, True)
    backlog.forget(other)
    assert (backlog.unsent_bytes, backlog.is_waited_for) == (0, False)


def test_senders_wait_once_for_a_queue_until_it_is_relieved() -> None:
    backlog, queue = Backlog(), queue_of(LIMIT)
    backlog.follow(queue, now=0.0)
    backlog.stop_waiting([queue])
    backlog.follow(queue, now=0.0)
    assert not backlog.is_waited_for
    queue.pop()
    backlog.follow(queue, now=0.0)
    assert queue.put("again", LIMIT, is_bulk=True)
    backlog.follow(queue, now=0.0)
    assert backlog.is_waited_for


def test_a_queue_may_exceed_its_limit_for_a_moment_only() -> None:
    backlog, queue = Backlog(), queue_of(LIMIT)
    backlog.follow(queue, now=5.0)
    assert backlog.has_room(queue, 1, now=5.0 + 0.9 * STALL_S)
    assert not backlog.has_room(queue, 1, now=5.0 + STALL_S)
    queue.pop()
    backlog.follow(queue, now=6.0)
    assert backlog.has_room(queue, LIMIT, now=6.0)
    assert queue.put("again", LIMIT, is_bulk=True)
    backlog.follow(queue, now=7.0)
    assert backlog.has_room(queue, LIMIT, now=7.0)


def test_stalls_leave_room_for_queues_within_their_limits() -> None:
    backlog, stuck, other = Backlog(), queue_of(LIMIT), queue_of()
    backlog.unsent_bytes = UNSENT_BYTES // STALLS_SHARE
    assert not backlog.has_room(stuck, 1, now=0.0)
    assert backlog.has_room(other, LIMIT, now=0.0)
    backlog.unsent_bytes = UNSENT_BYTES
    assert not backlog.has_room(other, 1, now=0.0)
