"""When local senders wait for the queues of connections, and how much is in all of them together."""

from mycelium.transport.backlog import BACKED_UP_SHARE, RELIEVED_SHARE, Backlog, ConnectionQueue

LIMIT = 80_000


def queue_of(size: int = 0) -> ConnectionQueue[str]:
    queue: ConnectionQueue[str] = ConnectionQueue(LIMIT, LIMIT)
    if size:
        assert queue.put("some", size, is_bulk=True)
    return queue


def test_the_backlog_begins_and_ends_at_different_lengths() -> None:
    queue = queue_of(LIMIT // BACKED_UP_SHARE)
    assert queue.judge() == 0
    assert queue.put("x", 1, is_bulk=True)
    assert (queue.judge(), queue.judge()) == (1, 0)
    assert not queue.put("too much", LIMIT, is_bulk=True)
    queue.is_backlog_told = False  # as when senders have waited for long enough
    assert queue.judge() == 0
    queue.pop()
    assert queue.bytes < LIMIT // RELIEVED_SHARE
    assert queue.judge() == 0
    assert not queue.is_backed_up


def test_all_queues_are_counted_and_senders_wait_for_any_of_them() -> None:
    backlog, one, other = Backlog(), queue_of(LIMIT), queue_of(LIMIT)
    backlog.follow(one)
    backlog.follow(other)
    assert (backlog.unsent_bytes, backlog.is_waited_for) == (2 * LIMIT, True)
    one.pop()
    backlog.follow(one)
    assert (backlog.unsent_bytes, backlog.is_waited_for) == (LIMIT, True)
    backlog.forget(other)
    assert (backlog.unsent_bytes, backlog.is_waited_for) == (0, False)


def test_senders_wait_once_for_a_queue_until_it_is_relieved() -> None:
    backlog, queue = Backlog(), queue_of(LIMIT)
    backlog.follow(queue)
    backlog.stop_waiting([queue])
    backlog.follow(queue)
    assert not backlog.is_waited_for
    queue.pop()
    backlog.follow(queue)
    assert queue.put("again", LIMIT, is_bulk=True)
    backlog.follow(queue)
    assert backlog.is_waited_for
