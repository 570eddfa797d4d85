"""Frames: filled, sealed, cut, reassembled and opened; nothing but a frame that opens has any effect."""

from itertools import count
from math import inf

import pytest

from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.crypto.keys import LAST_BLOCK
from mycelium.limits import FRAME_PLAINTEXT
from mycelium.link.fold import ROW, unfolded_shape
from mycelium.link.frames import FRAME_HEADER_BYTES, HEAD_BYTES, SEALED_OVERHEAD
from mycelium.link.link import LinkState
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD, CHUNK_TAG_SHIFT, CHUNK_WORD, FRAME, SIZE_PROBE, TAG_BYTES
from mycelium.wire.frame import DATA as DATA_FRAME
from mycelium.wire.train import TRAIN_HEADER_BYTES
from tests.link.lab import DELAY_S, LinkLab, endpoint


@pytest.fixture
def lab() -> LinkLab:
    """Links that are up, their paths' sizes found, and nothing under way."""
    lab = LinkLab()
    lab.settle(5)
    return lab


def datagrams(lab: LinkLab, source: str, least: int = 0) -> list[bytes]:
    return [data for sender, _, data in lab.sent if sender == source and len(data) >= least]


# -- the frame that is being filled ------------------------------------------------------------------------------------


def test_what_is_reserved_lies_side_by_side_and_leaves_with_commit(lab: LinkLab) -> None:
    frames = lab.link("a").frames
    first, second = frames.reserve(100, 0, now=lab.now), frames.reserve(50, 0, now=lab.now)
    assert first[0] is second[0]
    assert (first[1], second[1], frames.filled_bytes) == (
        FRAME_HEADER_BYTES,
        FRAME_HEADER_BYTES + 100,
        FRAME_HEADER_BYTES + 150,
    )
    assert not lab.ends["a"].outbox.transmits
    frames.commit(now=lab.now)
    [(_, buffers, size, is_data, _)] = lab.ends["a"].outbox.transmits
    assert (size, len(buffers[0]), is_data) == (SEALED_OVERHEAD + 150, SEALED_OVERHEAD + 150, True)
    frames.commit(now=lab.now)
    assert len(lab.ends["a"].outbox.transmits) == 1, "nothing is left to send"


def test_a_frame_without_room_is_sent_before_the_next_is_begun(lab: LinkLab) -> None:
    frames = lab.link("a").frames
    frames.budget.limit = 1_000
    frames.reserve(900, 0, now=lab.now)
    assert frames.reserve(1_000 - FRAME_HEADER_BYTES - 900, 0, now=lab.now)[1] == FRAME_HEADER_BYTES + 900, (
        "it just fits"
    )
    assert not lab.ends["a"].outbox.transmits
    assert frames.reserve(1, 0, now=lab.now)[1] == FRAME_HEADER_BYTES
    assert len(lab.ends["a"].outbox.transmits) == 1


def test_what_is_longer_than_any_frame_may_be_gets_one_of_its_own(lab: LinkLab) -> None:
    frames = lab.link("a").frames
    frames.budget.limit = 1_000
    frame, used = frames.reserve(FRAME_PLAINTEXT + 1, 0, now=lab.now)
    assert (used, len(frame)) == (FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + FRAME_PLAINTEXT + 1)


# -- datagrams ---------------------------------------------------------------------------------------------------------


def test_a_frame_that_fits_the_path_is_one_datagram_and_a_longer_one_is_cut(lab: LinkLab) -> None:
    size = lab.link("a").paths.active.mtu.size
    largest = size - SEALED_OVERHEAD - TRAIN_HEADER_BYTES
    lab.send("a", bytes(largest))
    assert [(data[0], len(data)) for data in datagrams(lab, "a", 1_000)] == [(FRAME, size)]
    lab.sent.clear()
    lab.send("a", bytes(largest + 1))
    assert [(data[0], len(data)) for data in datagrams(lab, "a")] == [(CHUNK, size // ROW * ROW), (CHUNK, 2 * ROW)]
    lab.run(0.1)
    assert lab.heard("b") == [bytes(largest), bytes(largest + 1)]


def test_a_copy_and_a_forgery_are_counted_and_have_no_effect(lab: LinkLab) -> None:
    lab.send("a", b"once")
    [genuine] = datagrams(lab, "a", 60)
    forged = genuine[:-1] + bytes((genuine[-1] ^ 1,))
    stranger = genuine[:4] + bytes(4) + genuine[8:]
    lab.run(DELAY_S)
    before = lab.ends["b"].counters.frames_not_opened
    for data in (genuine, forged, stranger):
        lab.ends["b"].receive(endpoint("elsewhere"), data, len(data))
    assert lab.ends["b"].counters.frames_not_opened == before + 3
    assert lab.heard("b") == [b"once"]
    assert [path.endpoint.host for path in lab.link("b").paths] == ["a"]


@pytest.mark.parametrize("length", [500, 62_000])
@pytest.mark.parametrize("kept", [False, True])
def test_a_frame_is_opened_where_it_lies_unless_that_must_be_kept(lab: LinkLab, length: int, *, kept: bool) -> None:
    lab.sent.clear()
    lab.send("a", bytes(length))
    sent = datagrams(lab, "a")
    burst = memoryview(b"".join(sent) if kept else bytearray().join(sent))
    before, index, segment_size = bytes(burst), int.from_bytes(burst[4:8], "big"), len(sent[0])
    [frame] = lab.link("b").receive(index, endpoint("a"), burst, segment_size, waited_s=0.0, now=lab.now)
    assert bytes(frame[-length:]) == bytes(length)
    assert (frame.obj is burst.obj) is not kept
    assert not kept or burst == before


def test_forgeries_and_copies_beside_frames_that_are_opened_where_they_lie_spoil_nothing(lab: LinkLab) -> None:
    bodies = [bytes([number]) * 500 for number in (1, 2, 3)]
    lab.sent.clear()
    for body in bodies:
        lab.send("a", body)
    first, second, third = datagrams(lab, "a", 500)
    forged = second[:-1] + bytes((second[-1] ^ 1,))
    burst = memoryview(bytearray().join((first, forged, second, first, third)))
    index, segment_size = int.from_bytes(first[4:8], "big"), len(first)
    frames = lab.link("b").receive(index, endpoint("a"), burst, segment_size, waited_s=0.0, now=lab.now)
    assert [bytes(frame[-500:]) for frame in frames] == bodies
    assert lab.ends["b"].counters.frames_not_opened == 2


def test_a_burst_may_hold_frames_under_several_keypairs_and_garbage(lab: LinkLab) -> None:
    length = SEALED_OVERHEAD + TRAIN_HEADER_BYTES + 8
    lab.run(SIMULTANEOUS_S)  # a handshake sooner would count as simultaneous, and might not be the one preferred
    lab.cut("a", "b")
    lab.send("a", b"old key.")
    lab.shake_hands("b")
    lab.run(DELAY_S)
    lab.send("a", b"new key.")
    old, new = [data for data in datagrams(lab, "a") if len(data) == length]
    assert old[4:8] != new[4:8]
    garbage = bytes((FRAME,)) + bytes(length - 1)
    lab.ends["b"].receive(endpoint("a"), new + garbage + old, length)
    assert lab.heard("b") == [b"new key.", b"old key."]
    assert lab.ends["b"].counters.frames_not_opened == 1


def test_frames_without_a_body_are_taken_under_whatever_keypair_they_arrive(lab: LinkLab) -> None:
    lab.run(SIMULTANEOUS_S)
    lab.cut("a", "b")
    lab.sent.clear()
    for _ in range(2):
        lab.act(lab.link("a").frames.send, DATA_FRAME, memoryview(bytearray(FRAME_HEADER_BYTES)))
        lab.shake_hands("b")
        lab.run(DELAY_S)
    old, new = [data for data in datagrams(lab, "a") if len(data) == SEALED_OVERHEAD]
    assert old[4:8] != new[4:8]
    lab.ends["b"].receive(endpoint("a"), new + old, SEALED_OVERHEAD)
    assert lab.heard("b") == [b"", b""]


def test_a_whole_frame_among_chunks_is_taken_too(lab: LinkLab) -> None:
    size = lab.link("a").paths.active.mtu.size
    lab.cut("a", "b")
    lab.send("a", bytes(size - SEALED_OVERHEAD - TRAIN_HEADER_BYTES))
    lab.send("a", bytes(20_000))
    whole, *chunks = datagrams(lab, "a")
    lab.ends["b"].receive(endpoint("a"), b"".join((chunks[0], whole, *chunks[1:])), size)
    assert [len(data) for data in lab.heard("b")] == [len(whole) - SEALED_OVERHEAD - TRAIN_HEADER_BYTES, 20_000]


@pytest.mark.parametrize("ends_first", [False, True])
def test_chunks_under_another_keypair_are_taken_among_those_of_one(lab: LinkLab, ends_first: bool) -> None:
    lab.run(SIMULTANEOUS_S)
    lab.cut("a", "b")
    lab.send("a", bytes(20_000))
    lab.shake_hands("b")
    lab.run(DELAY_S)
    lab.send("a", bytes(30_000))
    chunks = [data for data in datagrams(lab, "a") if data[0] == CHUNK]
    size = len(chunks[0])
    assert len({data[4:8] for data in chunks}) == 2
    burst = b"".join(data for data in chunks if len(data) == size)
    ends = [data for data in chunks if len(data) < size]
    for data in (*ends, burst) if ends_first else (burst, *ends):
        lab.ends["b"].receive(endpoint("a"), data, min(size, len(data)))
    assert sorted(len(data) for data in lab.heard("b")) == [20_000, 30_000]


@pytest.mark.parametrize("length", [HEAD_BYTES, SEALED_OVERHEAD - 1, SEALED_OVERHEAD])
def test_a_frame_shorter_than_its_own_overhead_is_malformed(lab: LinkLab, length: int) -> None:
    index = lab.link("b").keypairs.sending.local_index
    data = bytes((FRAME, 0, 0, 0)) + index.to_bytes(4, "big") + bytes(length - 8)
    counters = lab.ends["b"].counters
    lab.ends["b"].receive(endpoint("a"), data, len(data))
    is_malformed = length < HEAD_BYTES + FRAME_HEADER_BYTES + TAG_BYTES
    assert (counters.frames_malformed, counters.frames_not_opened) == (is_malformed, not is_malformed)


def test_all_later_frames_of_a_flow_wait_while_one_is_missing(lab: LinkLab) -> None:
    lost = iter([True])
    lab.drop = lambda source, destination, data: source == "a" and next(lost, False)
    for data in (b"lost", b"one", b"two", b"three"):
        lab.send("a", data, bucket=1)
    lab.send("a", b"another flow", bucket=2)
    lab.run(2 * DELAY_S)
    assert lab.heard("b") == [b"another flow"]
    lab.run(0.1)
    assert lab.heard("b") == [b"one", b"two", b"three"]


def test_the_last_frame_of_a_lossy_link_is_repaired_though_nothing_follows_it(lab: LinkLab) -> None:
    lost = iter([True, False, False, True])

    def lose_some(source: str, destination: str, data: bytes) -> bool:
        return source == "a" and data[0] == CHUNK and next(lost, False)

    lab.drop = lose_some
    for length in (12_000, 13_000):
        lab.send("a", bytes(length))
        lab.run(0.2)
    lab.heard("b")
    lost = iter([True])
    lab.send("a", bytes(14_000))
    lab.run(7 * DELAY_S)
    assert lab.heard("b") == [bytes(14_000)]


def test_a_frame_in_parts_that_is_too_short_for_a_header_is_malformed(lab: LinkLab) -> None:
    index, least = lab.link("b").keypairs.sending.local_index, FRAME_HEADER_BYTES + TAG_BYTES
    counters = lab.ends["b"].counters
    for length in (least - 1, least):
        (total, room, pad), counter = unfolded_shape(length), 1_000 + length
        tagged = lab.link("a").keypairs.sending.sent_tags.of(counter) << CHUNK_TAG_SHIFT | total
        chunk = CHUNK_HEAD.pack(CHUNK_WORD, index, counter, tagged, room, pad) + bytes(total)
        lab.ends["b"].receive(endpoint("a"), chunk, len(chunk))
    assert (counters.frames_malformed, counters.frames_not_opened) == (1, 1)
    lab.ends["b"].receive(endpoint("elsewhere"), chunk[: SEALED_OVERHEAD - 1], SEALED_OVERHEAD - 1)
    assert (counters.frames_malformed, counters.chunks_refused) == (2, 0)


def test_chunks_are_taken_only_from_where_the_neighbour_has_answered(lab: LinkLab) -> None:
    lab.cut("a", "b")
    lab.send("a", bytes(20_000))
    burst = datagrams(lab, "a", 1_000)
    for data in burst:
        lab.ends["b"].receive(endpoint("elsewhere"), data, len(data))
    assert lab.ends["b"].counters.chunks_refused == len(burst)
    assert lab.link("b").keypairs.sending.reassembly.held_bytes == 0


def test_a_used_up_key_seals_nothing_and_the_link_asks_for_another(lab: LinkLab) -> None:
    link = lab.link("a")
    link.keypairs.sending.sealing.blocks = LAST_BLOCK
    lab.send("a", b"not under this key")
    assert not datagrams(lab, "a")
    assert link.wants_new_keypair(now=lab.now)
    lab.shake_hands("a")
    lab.run(0.1)
    lab.send("a", b"under another")
    lab.run(0.1)
    assert lab.heard("b") == [b"under another"]
    assert link.state is LinkState.UP


def test_a_used_up_key_is_not_tried_again_for_an_acknowledgement_that_is_due(lab: LinkLab) -> None:
    lab.link("a").keypairs.sending.sealing.blocks = LAST_BLOCK
    lab.send("b", b"wants an acknowledgement")
    lab.run(0.1)
    assert not datagrams(lab, "a")


def test_both_ends_send_under_new_keys_once_the_responder_has_heard_them(lab: LinkLab) -> None:
    lab.run(SIMULTANEOUS_S)
    lab.shake_hands("a")
    lab.run(2 * DELAY_S)
    a, b = (lab.link(name).keypairs.sending for name in "ab")
    assert (a.local_index, a.remote_index) == (b.remote_index, b.local_index)
    lab.run(0.1)
    assert a.message_3 is None, "the responder was heard: it has message 3"


def test_losses_and_acknowledgements_under_new_keys_count_from_the_first_frame(lab: LinkLab) -> None:
    for _ in range(300):
        lab.send("a", b"under the old keys")
        lab.run(0.01)
    lab.run(SIMULTANEOUS_S)
    lab.shake_hands("a")
    lab.run(1)
    frames = lab.link("a").frames
    assert frames.keypairs.sending.sealing.counter < 50
    before = frames.budget.missed
    lab.cut("a", "b")
    for _ in range(10):
        lab.send("a", b"lost")
    lab.mend()
    for _ in range(20):
        lab.send("a", b"arrives")
        lab.run(0.05)
    assert frames.budget.missed == before + 10
    lab.run(1)
    lab.send("a", b"lone")
    lab.run(2 * DELAY_S + 0.021)
    assert frames.paths.active.liveness.silent_since == inf, "its acknowledgement has arrived"


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_a_thousand_data_frames_ask_for_hardly_any_deadline(lab: LinkLab) -> None:
    """What moves a deadline later says nothing: it is looked at when it has come."""
    for end in lab.ends.values():
        end.armed.clear()
        end.timers.clear()
    for number in range(1_000):
        lab.send("a", b"%d" % number)
        lab.run(0.001)
    assert len(lab.heard("b")) >= 1_000 - DELAY_S / 0.001
    assert len(lab.ends["a"].armed) + len(lab.ends["b"].armed) < 250
    assert len(lab.ends["a"].timers) < 100, "each time an acknowledgement is late, or a role's probe is due"


def test_the_acknowledgement_of_a_lone_frame_is_in_time_without_any_other_call(lab: LinkLab) -> None:
    lab.send("a", b"lone")
    sent_at = lab.now
    lab.run(DELAY_S)
    lab.sent.clear()
    lab.run(0.1, until=lambda: datagrams(lab, "b") != [])
    assert lab.now - sent_at == pytest.approx(DELAY_S + 0.020)


def test_an_owner_is_told_of_a_deadline_once_and_of_none_that_is_later(lab: LinkLab) -> None:
    frames, armed = lab.link("a").frames, lab.ends["a"].armed
    due_at = frames.due_at - 0.001
    armed.clear()
    for deadline in (due_at, due_at, due_at + 0.001):
        frames.arm(deadline)
    assert armed == [due_at]


def test_another_owner_is_told_of_the_deadline_first_and_the_one_before_of_none(lab: LinkLab) -> None:
    frames, armed = lab.link("a").frames, lab.ends["a"].armed
    told: list[float] = []
    armed.clear()
    later = frames.due_at + 1
    frames.rearm(told.append, later)
    frames.arm(later - 0.5)
    assert (told, armed) == ([later, later - 0.5], [])


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [10, 1_300, 8_860, 8_861, 1_500, 20_000, FRAME_PLAINTEXT - 100])
def test_both_ends_count_the_bytes_of_the_datagrams(lab: LinkLab, length: int) -> None:
    sender, receiver = (lab.link(name).paths for name in "ab")
    before, received = sender.tx_bytes, receiver.rx_bytes
    counted = lab.link("a").frames.budget.sent_datagrams
    for _ in range(5):
        lab.send("a", bytes(length))
    counted = lab.link("a").frames.budget.sent_datagrams - counted
    assert 0 <= len(datagrams(lab, "a")) - counted <= 5, "a frame with little in its second datagram may count as one"
    lab.run(0.1)
    on_wire = sum(len(data) for data in datagrams(lab, "a"))
    assert sender.tx_bytes - before == on_wire
    assert receiver.rx_bytes - received == on_wire


def test_size_probes_are_no_traffic_of_the_link() -> None:
    lab = LinkLab()
    lab.run(5)
    frames_of = [[data for data in datagrams(lab, name) if data[0] in (FRAME, CHUNK)] for name in "ab"]
    assert any(data[0] == SIZE_PROBE for data in datagrams(lab, "a"))
    assert [lab.link(name).paths.tx_bytes for name in "ab"] == [sum(map(len, frames)) for frames in frames_of]
    assert lab.link("a").paths.rx_bytes == lab.link("b").paths.tx_bytes


def test_what_is_sent_again_is_counted_again(lab: LinkLab) -> None:
    sender, before = lab.link("a").paths, lab.link("a").paths.tx_bytes
    chunks = count()

    def lose_some(source: str, destination: str, data: bytes) -> bool:
        return source == "a" and data[0] == CHUNK and next(chunks) % 50 == 0

    lab.drop = lose_some
    for _ in range(20):
        lab.send("a", bytes(20_000))
        lab.run(0.01)
    lab.run(1)
    assert lab.link("a").frames.counters.repair_bytes_resent > 0
    of_frames = [data for data in datagrams(lab, "a") if data[0] != SIZE_PROBE]
    assert sender.tx_bytes - before == sum(map(len, of_frames))
