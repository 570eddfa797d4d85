import pytest

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import SESSION_QUEUE_BYTES, SESSION_QUEUE_PACKETS
from mycelium.session.queue import PacketQueue, QueuedPacket


@pytest.fixture
def budget() -> ByteBudget:
    return ByteBudget(10 * SESSION_QUEUE_BYTES)


def append(queue: PacketQueue, size: int) -> bool:
    return queue.append(memoryview(bytes(size)), 0, 0)


def test_packets_leave_in_order_as_copies(budget: ByteBudget) -> None:
    queue = PacketQueue(budget)
    packet = bytearray(b"one")
    assert queue.append(memoryview(packet), 1, 1400)
    packet[:] = b"two"
    assert queue.append(memoryview(packet), 2, 0)
    assert len(queue) == 2
    assert queue.take_all() == [QueuedPacket(b"one", 1, 1400), QueuedPacket(b"two", 2, 0)]
    assert queue.take_all() == []


def test_packets_have_a_bound_in_number(budget: ByteBudget) -> None:
    queue = PacketQueue(budget)
    assert [append(queue, 1) for _ in range(SESSION_QUEUE_PACKETS + 2)] == [True] * SESSION_QUEUE_PACKETS + [False] * 2
    queue.take_all()
    assert append(queue, 1)


def test_packets_have_a_bound_in_bytes(budget: ByteBudget) -> None:
    queue = PacketQueue(budget)
    assert append(queue, SESSION_QUEUE_BYTES - 10)
    assert not append(queue, 11)
    assert append(queue, 10)
    queue.take_all()
    assert append(queue, SESSION_QUEUE_BYTES)


def test_all_queues_of_a_node_share_one_budget() -> None:
    budget = ByteBudget(100)
    first, second = PacketQueue(budget), PacketQueue(budget)
    assert append(first, 60)
    assert not append(second, 41)
    assert append(second, 40)
    first.take_all()
    assert budget.held_bytes == 40
    second.take_all()
    second.take_all()
    assert budget.held_bytes == 0
