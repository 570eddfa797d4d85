"""What waits for a full medium: control leaves first, and bulk data can't take its room."""

import pytest

from mycelium.transport.send_queue import SendQueue


def test_control_leaves_before_data_and_each_kind_in_order() -> None:
    queue: SendQueue[str] = SendQueue(100, 1_000)
    for item in ("d1", "c1", "d2", "c2"):
        assert queue.put(item, 10, is_bulk=item.startswith("d"))
    assert queue.bytes == 40
    assert queue.first() == "c1"
    assert [queue.pop() for _ in range(4)] == ["c1", "c2", "d1", "d2"]
    assert (bool(queue), queue.bytes) == (False, 0)
    with pytest.raises(IndexError):
        queue.first()


def test_a_queue_full_of_data_takes_control() -> None:
    queue: SendQueue[str] = SendQueue(100, 1_000)
    assert queue.put("fits", 100, is_bulk=True)
    assert not queue.put("does not", 1, is_bulk=True)
    assert queue.put("control", 1_000, is_bulk=False)


def test_control_has_a_bound_too() -> None:
    queue: SendQueue[str] = SendQueue(100, 1_000)
    assert queue.put("all", 1_000, is_bulk=False)
    assert not queue.put("more", 1, is_bulk=False)
    queue.pop()
    assert queue.put("more", 1, is_bulk=False)
