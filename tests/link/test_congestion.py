"""Marked datagrams: their frames, and nothing else, bring marked trains, however the chunks arrive."""

from mycelium.limits import PARTIAL_FRAMES_PER_KEYPAIR
from mycelium.link.congestion import mark_trains, note_marks
from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_WORD, FRAME_HEAD, FRAME_WORD, SIZE_PROBE_WORD
from mycelium.wire.frame import FRAME_HEADER, UNSEALED
from mycelium.wire.train import CONGESTED, DATA, DEFLECTED, TRAIN_HEADER, TRAIN_HEADER_BYTES
from tests.link.lab import LinkLab


def flags_of(frame: memoryview) -> list[int]:
    flags, position = [], FRAME_HEADER.size
    while position < len(frame):
        head = TRAIN_HEADER.unpack_from(frame, position)
        flags.append(head[1])
        position += TRAIN_HEADER_BYTES + (head[4] & 0xFFFFFF)
    return flags


def ready_lab() -> LinkLab:
    lab = LinkLab()
    lab.drop = lambda source, destination, data: len(data) > 1_472
    lab.run(1)
    return lab


def frame_of(lab: LinkLab, size: int) -> list[bytes]:
    """Returns the datagrams of a data frame that a has sent to b, which have not arrived."""
    lab.sent.clear()
    lab.cut("a", "b")
    lab.send("a", bytes(size))
    lab.mend()
    return [data for source, _, data in lab.sent if source == "a"]


def arrive(lab: LinkLab, *datagrams: bytes, is_marked: bool = False) -> list[list[int]]:
    """Has b receive datagrams of one batch; returns the flags of the trains in each frame that was opened."""
    link = lab.link("b")
    burst = memoryview(bytearray(b"".join(datagrams)))
    if is_marked:
        note_marks(link.keypairs.by_index, burst, len(datagrams[0]))
    index = int.from_bytes(burst[4:8], "big")
    endpoint = link.paths.active.endpoint
    frames = link.receive(index, endpoint, burst, len(datagrams[0]), waited_s=0.0, now=lab.now)
    return [flags_of(frame) for frame in frames]


def test_a_frame_is_marked_if_its_datagram_is() -> None:
    lab = ready_lab()
    assert arrive(lab, *frame_of(lab, 100), is_marked=True) == [[CONGESTED]]
    assert arrive(lab, *frame_of(lab, 100)) == [[0]]
    assert not lab.link("b").keypairs.sending.marked


def test_an_unsealed_frame_is_marked_as_a_data_frame_is() -> None:
    lab = ready_lab()
    lab.sent.clear()
    lab.cut("a", "b")
    lab.act(lab.link("a").frames.send, UNSEALED, memoryview(bytearray(FRAME_HEADER.size + TRAIN_HEADER_BYTES)))
    lab.mend()
    [datagram] = [data for source, _, data in lab.sent if source == "a"]
    assert arrive(lab, datagram, is_marked=True) == [[CONGESTED]]


def test_one_marked_chunk_of_many_marks_the_frame_and_no_other() -> None:
    lab = ready_lab()
    first, second = frame_of(lab, 9_000), frame_of(lab, 9_000)
    assert len(first) > 4
    assert arrive(lab, *first[:2]) == []
    assert arrive(lab, first[2], is_marked=True) == []
    assert arrive(lab, *first[3:]) == [[CONGESTED]]
    assert arrive(lab, *second) == [[0]]


def test_a_batch_with_parts_of_two_frames_marks_both() -> None:
    lab = ready_lab()
    first, second = frame_of(lab, 9_000), frame_of(lab, 9_000)
    assert arrive(lab, *first[:-1]) == []
    assert arrive(lab, first[-1]) == [[0]]
    third = frame_of(lab, 9_000)
    assert arrive(lab, *second[:3]) == []
    assert arrive(lab, *second[3:-1], *third[:2], is_marked=True) == []
    assert arrive(lab, second[-1]) == [[CONGESTED]]
    assert arrive(lab, *third[2:]) == [[CONGESTED]]


def test_a_batch_of_frames_is_marked_whatever_else_is_in_it() -> None:
    lab = ready_lab()
    (first,), (second,) = frame_of(lab, 100), frame_of(lab, 100)
    other = bytes((SIZE_PROBE_WORD >> 24,)) + first[1:]
    assert arrive(lab, first, other, second, is_marked=True) == [[CONGESTED], [CONGESTED]]


def test_a_train_without_a_body_at_the_end_of_its_frame_is_marked() -> None:
    head = TRAIN_HEADER.pack(9, 0, DATA, 2, 0, 1, 1, bytes(16), bytes(16))
    frame = memoryview(bytearray(bytes(FRAME_HEADER.size) + head))
    mark_trains(frame)
    assert flags_of(frame) == [CONGESTED]


def test_each_train_of_a_frame_is_marked_and_keeps_its_other_flags() -> None:
    heads = [TRAIN_HEADER.pack(9, flags, DATA, 2, 5, 1, 1, bytes(16), bytes(16)) for flags in (0, DEFLECTED)]
    frame = memoryview(bytearray(bytes(FRAME_HEADER.size) + heads[0] + b"first" + heads[1] + b"other"))
    mark_trains(frame)
    assert flags_of(frame) == [CONGESTED, CONGESTED | DEFLECTED]
    assert bytes(frame[FRAME_HEADER.size + TRAIN_HEADER_BYTES :][:5]) == b"first"


def test_a_train_that_runs_past_the_end_of_its_frame_is_harmless() -> None:
    head = TRAIN_HEADER.pack(9, 0, DATA, 2, 1_000, 1, 1, bytes(16), bytes(16))
    mark_trains(memoryview(bytearray(bytes(FRAME_HEADER.size) + head + b"short")))
    mark_trains(memoryview(bytearray(bytes(FRAME_HEADER.size) + head[:-1])))


def test_forged_marks_fill_no_memory_and_cost_no_mark_of_a_frame_under_way() -> None:
    lab = ready_lab()
    datagrams = frame_of(lab, 9_000)
    assert arrive(lab, datagrams[0], is_marked=True) == []
    keypair = lab.link("b").keypairs.sending
    for counter in range(5_000, 5_000 + 4 * PARTIAL_FRAMES_PER_KEYPAIR):
        head = CHUNK_HEAD.pack(CHUNK_WORD, keypair.local_index, counter, 9_000, 1_440, 0)
        note_marks(lab.link("b").keypairs.by_index, memoryview(head + b"x"), len(head) + 1)
    assert len(keypair.marked) <= PARTIAL_FRAMES_PER_KEYPAIR
    assert arrive(lab, *datagrams[1:]) == [[CONGESTED]]


def test_what_is_no_frame_under_a_known_index_leaves_no_mark() -> None:
    lab = ready_lab()
    keypairs = lab.link("b").keypairs
    for word, index in ((SIZE_PROBE_WORD, keypairs.sending.local_index), (FRAME_WORD, 12_345)):
        note_marks(keypairs.by_index, memoryview(FRAME_HEAD.pack(word, index, 7)), FRAME_HEAD.size)
    note_marks(keypairs.by_index, memoryview(b"\x14short"), 6)
    assert not keypairs.sending.marked
