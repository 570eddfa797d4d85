from mycelium.outbox import ARENA_BYTES, BeaconDue, IndicesChanged, Outbox


def test_taken_bytes_do_not_overlap_until_the_outbox_is_cleared() -> None:
    outbox = Outbox()
    first, second = outbox.take(100), outbox.take(50)
    first[:] = b"a" * 100
    second[:] = b"b" * 50
    assert bytes(first) == b"a" * 100


def test_a_cleared_outbox_hands_the_same_memory_out_again() -> None:
    outbox = Outbox()
    outbox.take(100)[:] = b"a" * 100
    outbox.clear()
    assert bytes(outbox.take(100)) == b"a" * 100


def test_beyond_the_arena_bytes_are_allocated() -> None:
    outbox = Outbox()
    whole = outbox.take(ARENA_BYTES)
    more = outbox.take(10)
    more[:] = b"b" * 10
    assert len(more) == 10
    assert not any(whole[:10])
    assert len(outbox.take(ARENA_BYTES + 1)) == ARENA_BYTES + 1


def test_clearing_empties_every_list() -> None:
    outbox = Outbox()
    outbox.events.append(BeaconDue())
    outbox.deliveries.append((memoryview(b""), 0, 0))
    outbox.clear()
    assert (outbox.transmits, outbox.deliveries, outbox.events) == ([], [], [])


def test_changed_indices_are_told_once_until_the_outbox_is_cleared() -> None:
    outbox = Outbox()
    for _ in range(2):
        outbox.indices_changed()
        outbox.indices_changed()
        assert outbox.events == [IndicesChanged()]
        outbox.clear()
