"""Links that lose datagrams and repair that: nothing is lost, nothing out of order, nobody waits for others, nobody is used."""

import random
from itertools import pairwise
from math import inf
from typing import Any

import pytest

from mycelium.limits import DATAGRAM_FLOOR, REPAIRS_AT_ONCE, REPAIRS_PER_FRAME
from mycelium.link.fold import ROW, Folding, folded_bytes
from mycelium.link.frames import SEALED_OVERHEAD
from mycelium.link.path.mtu import URGENT_INTERVAL_S, VERIFY_INTERVAL_S
from mycelium.link.repair.gaps import ASKS, LEAST_PATIENCE_S, MOST_BETWEEN_S, Range
from mycelium.link.repair.repair import VANISHED, Repair, grouped, has_vanished
from mycelium.link.repair.sent_frames import KEEPING_S, Piece
from mycelium.routing.excess import REPAIRS
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD, FRAME, FRAME_HEAD, TAG_BYTES
from mycelium.wire.frame import FRAME_HEADER, REPAIR, REPAIR_HEAD, REPAIR_RANGE, WHOLE_FRAME
from mycelium.wire.train import TRAIN_HEADER_BYTES
from sim.net.node_net import NodeNet
from tests.link.lab import LinkLab
from tests.link.repair.support import frame_of
from tests.support.small_meshes import counter, data_of, link_of, ping, ping_packet, ready_line, ready_pair, received

SHORT = 0.000_3  # delay of a wire, seconds
REQUEST_BYTES = SEALED_OVERHEAD + REPAIR_HEAD.size + REPAIR_RANGE.size  # a datagram that asks for one thing
BULK = 40  # packets of 1,300 bytes in one batch: a frame of 37 datagrams


def lossy(net: NodeNet, loss: float, *pairs: str) -> None:
    for pair in pairs:
        for wire in net.both(pair[0], pair[1]):
            wire.reshape(loss=loss)


def flow_packet(net: NodeNet, source: str, destination: str, flow: int, data: bytes) -> bytes:
    packet = bytearray(ping_packet(net, source, destination, data))
    packet[3] = flow  # low byte of the flow label
    return bytes(packet)


def stream(
    net: NodeNet, source: str, destination: str, batches: int, *, flow: int = 1, every: float = 0.001
) -> list[bytes]:
    """Sends numbered bulk; returns the data of its packets, in order."""
    sent: list[bytes] = []
    for _ in range(batches):
        batch = [f"{flow}/{len(sent) + number:06}/".encode().ljust(1300, b".") for number in range(BULK)]
        net.send_batch(source, [(flow_packet(net, source, destination, flow, data), 0, 0) for data in batch])
        sent += batch
        net.run(every)
    net.run(1)
    return sent


def warmed_up(names: str = "ab", *, loss: float = 0.05, delay: float = SHORT, seed: int = 5) -> NodeNet:
    """Returns a line whose links have found out that they are lossy."""
    net = ready_line(names, delay, seed=seed)
    lossy(net, loss, *(one + other for one, other in pairwise(names)))
    stream(net, names[0], names[-1], 20)
    for host in net.hosts.values():
        host.delivered.clear()
    return net


def cut_once(net: NodeNet, source: str, kind: int, *, skip: int = 0) -> list[bytes]:
    """Loses one datagram of a kind from a host; returns a list that will hold it."""
    lost: list[bytes] = []
    seen = 0

    def drop(sender: str, receiver: str, data: bytes) -> bool:
        nonlocal seen
        if sender != source or data[0] != kind or lost:
            return False
        seen += 1
        if seen <= skip:
            return False
        lost.append(data)
        return True

    net.drop = drop
    return lost


# -- bulk --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "loss"), [("ab", 0.01), ("ab", 0.05), ("abc", 0.05)])
def test_bulk_over_lossy_links_arrives_whole_and_in_order(names: str, loss: float) -> None:
    net = warmed_up(names, loss=loss)
    sent = stream(net, names[0], names[-1], 300)
    arrived = received(net, names[-1])
    assert len(sent) - len(arrived) <= len(sent) // 1000
    assert arrived == sorted(arrived)
    assert len(set(arrived)) == len(arrived)


@pytest.mark.parametrize("seed", range(3))
def test_the_first_frames_after_a_rest_are_repaired_too(seed: int) -> None:
    net = ready_line("ab", SHORT, seed=seed)
    stream(net, "a", "b", 1)  # finds the way
    for _ in range(2):
        net.run(KEEPING_S + 5)
        net.hosts["b"].delivered.clear()
        lossy(net, 0.02, "ab")
        assert stream(net, "a", "b", 30) == received(net, "b")
        lossy(net, 0.0, "ab")


def test_frames_stay_large_on_a_lossy_link_that_is_repaired() -> None:
    net = warmed_up(loss=0.03)
    net.run(20)
    stream(net, "a", "b", 2000, every=0.005)
    assert link_of(net, "a", "b").frames.budget.limit > 60_000


def test_reordered_and_doubled_datagrams_do_no_harm() -> None:
    net = warmed_up()
    for wire in net.both("a", "b"):
        wire.reshape(reorder=0.5, reorder_s=0.002, duplicate=0.1)
    sent = stream(net, "a", "b", 100)
    arrived = received(net, "b")
    assert len(sent) - len(arrived) <= len(sent) // 20
    assert len(set(arrived)) == len(arrived)


def test_a_long_link_repairs_nothing() -> None:
    net = warmed_up(delay=0.020)
    stream(net, "a", "b", 100)
    assert counter(net, "b", "frames_repaired") == 0
    assert counter(net, "a", "repair_bytes_resent") == 0


# -- one loss ----------------------------------------------------------------------------------------------------------


def test_a_lost_chunk_costs_one_round_trip_and_one_chunk() -> None:
    net = warmed_up(loss=0.0)
    cut_once(net, "a", CHUNK)
    stream(net, "a", "b", 2)  # it asks for the first time: nothing was kept yet
    resent = counter(net, "a", "repair_bytes_resent")
    net.hosts["b"].delivered.clear()
    lost = cut_once(net, "a", CHUNK, skip=5)
    sent = stream(net, "a", "b", 2)
    assert received(net, "b") == sent
    assert counter(net, "a", "repair_bytes_resent") == resent + len(lost[0]) - CHUNK_HEAD.size


def test_the_last_frame_is_repaired_too() -> None:
    net = warmed_up(loss=0.05)
    lossy(net, 0.0, "ab")
    lost = cut_once(net, "a", CHUNK, skip=5)
    sent = stream(net, "a", "b", 1)
    assert lost
    assert received(net, "b") == sent


def test_a_ping_does_not_wait_for_the_gap_of_a_flow() -> None:
    net = warmed_up()
    lossy(net, 0.0, "ab")
    net.drop = lambda sender, receiver, data: sender == "a" and data[0] == CHUNK
    bulk = [(flow_packet(net, "a", "b", 1, bytes([number]) * 1300), 0, 0) for number in range(BULK)]
    net.send_batch("a", bulk)
    net.drop = lambda sender, receiver, data: False
    same, other = b"the same flow".ljust(64), b"another flow".ljust(64)
    net.send("a", flow_packet(net, "a", "b", 1, same))
    net.send("a", flow_packet(net, "a", "b", 2, other))
    net.run(SHORT + 0.000_1)
    assert received(net, "b") == [other]
    net.run(0.01)
    assert received(net, "b")[-1] == same
    assert len(received(net, "b")) == BULK + 2


def test_a_flow_waits_for_its_gap_but_not_for_ever() -> None:
    net = warmed_up()
    lossy(net, 0.0, "ab")
    net.wires["b", "a"].is_open = False  # whatever is asked for does not come
    net.drop = lambda sender, receiver, data: sender == "a" and data[0] == FRAME
    net.send("a", flow_packet(net, "a", "b", 3, b"lost".ljust(64)))
    net.drop = lambda sender, receiver, data: False
    data = b"after it".ljust(64)
    net.send("a", flow_packet(net, "a", "b", 3, data))
    waited = net.run(1, until=lambda: data in received(net, "b"))
    assert LEAST_PATIENCE_S <= waited <= LEAST_PATIENCE_S + 0.01
    assert link_of(net, "b", "a").keypairs.sending.gaps.due_at == inf


@pytest.mark.parametrize("stalled_s", [0.020, 0.200])
def test_a_process_that_had_no_turn_reads_answers_before_it_asks_again_or_gives_up(
    stalled_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = warmed_up()
    lossy(net, 0.0, "ab")
    net.run(1)
    requests, request = [0], Repair.request

    def counted(repair: Repair, *arguments: Any, **named: Any) -> memoryview | None:
        plain = request(repair, *arguments, **named)
        requests[0] += plain is not None
        return plain

    monkeypatch.setattr(Repair, "request", counted)
    given_up = counter(net, "b", "frames_given_up")
    lost = cut_once(net, "a", FRAME)
    packets = [bytes([number]).ljust(64) for number in range(30)]
    for data in packets[:2]:
        net.send("a", flow_packet(net, "a", "b", 3, data))
    assert lost
    net.run(0.01, until=lambda: requests[0] == 1)
    net.starve("b", stalled_s)
    for data in packets[2:]:
        net.send("a", flow_packet(net, "a", "b", 3, data))
        net.run(0.000_5)
    net.run(stalled_s + 0.1)
    assert received(net, "b") == packets
    assert (requests[0], counter(net, "b", "frames_given_up")) == (1, given_up)


def test_a_clean_link_keeps_nothing_and_stops_keeping_a_minute_after_the_last_loss() -> None:
    net = ready_pair(SHORT)
    stream(net, "a", "b", 5)
    sent = link_of(net, "a", "b").frames.repair.sent
    assert sent.keeps_until == -inf
    lossy(net, 0.05, "ab")
    stream(net, "a", "b", 5)
    assert sent.keeps_until > net.now
    lossy(net, 0.0, "ab")
    net.run(KEEPING_S + 5)
    assert sent.held_bytes == 0
    stream(net, "a", "b", 1, every=0.0)
    assert sent.held_bytes == 0


# -- who asks too much -------------------------------------------------------------------------------------------------


def ask(net: NodeNet, source: str, destination: str, *ranges: tuple[int, int, int], index: int | None = None) -> None:
    link = link_of(net, source, destination)
    own_index = link.keypairs.sending.local_index if index is None else index
    body = REPAIR_HEAD.pack(own_index) + b"".join(REPAIR_RANGE.pack(*wanted) for wanted in ranges)
    link.frames.send(REPAIR, memoryview(bytearray(bytes(FRAME_HEADER.size) + body)), now=net.now, wants_ack=False)
    net.drain(source)


def test_a_neighbour_that_asks_for_everything_gets_little() -> None:
    net = warmed_up()
    stream(net, "a", "b", 10)
    newest = link_of(net, "a", "b").keypairs.sending.sealing.counter - 1
    before = counter(net, "a", "repair_bytes_resent")
    for _ in range(100):
        ask(net, "b", "a", *((one, 0, WHOLE_FRAME) for one in range(newest - 60, newest + 1)))
        net.run(0.001)
    resent = counter(net, "a", "repair_bytes_resent") - before
    assert resent < 1 << 20
    assert counter(net, "a", "repair_ranges_refused") > 1000


def test_a_neighbour_that_asks_for_more_than_was_sent_is_named(lab: LinkLab) -> None:
    wanted = [(counter, 0, WHOLE_FRAME) for counter in range(60)]
    for _ in range(REPAIRS_AT_ONCE // len(wanted)):
        answer_to(lab, *wanted)
    repair = lab.link("a").frames.repair
    assert not repair.is_asked_too_much()
    answer_to(lab, *[(1, start, start + 1) for start in range(200)])
    assert not repair.is_asked_too_much(), "parts of one frame count once"
    answer_to(lab, *wanted)
    assert repair.is_asked_too_much()
    assert not repair.is_asked_too_much(), "it is told once of each request"
    excesses = lab.ends["a"].excesses
    answer_to(lab, *wanted)
    lab.link("a")._take_repair_request(memoryview(b""), now=lab.now)
    assert [cause for _, cause in excesses.take()] == [REPAIRS]


def test_what_was_sent_under_earlier_keys_says_nothing_against_who_asks_under_new_ones(lab: LinkLab) -> None:
    keypair, repair = lab.link("a").keypairs.sending, lab.link("a").frames.repair
    fresh, keypair.sealing.counter = keypair.sealing.counter, 10 * REPAIRS_AT_ONCE
    answer_to(lab, (1, 0, WHOLE_FRAME))
    keypair.sealing.counter = fresh
    repair.restart_counters()
    answer_to(lab, (1, 0, WHOLE_FRAME))
    assert not repair.is_asked_too_much()


def test_a_neighbour_may_ask_four_times_for_each_frame_and_no_more(lab: LinkLab) -> None:
    sealing, repair = lab.link("a").keypairs.sending.sealing, lab.link("a").frames.repair

    def ask_for(frames: int) -> bool:
        answer_to(lab, *((counter, 0, WHOLE_FRAME) for counter in range(1, 1 + frames)))
        return repair.is_asked_too_much()

    sealing.counter = 1  # that of the first frame
    assert not ask_for(REPAIRS_AT_ONCE)
    assert ask_for(1)
    assert ask_for(1)
    sealing.counter += 5
    assert not ask_for(5 * REPAIRS_PER_FRAME)
    assert ask_for(1)
    repair.restart_counters()
    sealing.counter = 3
    assert not ask_for(2 * REPAIRS_PER_FRAME)
    assert ask_for(1)


def test_requests_under_other_keys_malformed_ones_and_those_for_frames_to_come_get_nothing() -> None:
    net = warmed_up()
    stream(net, "a", "b", 1, every=0.0)
    newest = link_of(net, "a", "b").keypairs.sending.sealing.counter
    before = counter(net, "a", "repair_bytes_resent")
    ask(net, "b", "a", (newest - 1, 0, WHOLE_FRAME), index=12345)
    ask(net, "b", "a", (newest + 1000, 0, WHOLE_FRAME))
    lossy(net, 0.0, "ab")
    link = link_of(net, "b", "a")
    malformed = counter(net, "a", "frames_malformed")
    for size in (0, 3, 5, 19):
        link.frames.send(REPAIR, memoryview(bytearray(FRAME_HEADER.size + size)), now=net.now)
    net.drain("b")
    net.run(0.1)
    assert counter(net, "a", "repair_bytes_resent") == before
    assert counter(net, "a", "frames_malformed") == malformed + 4


def test_requests_are_few() -> None:
    net = warmed_up()
    lossy(net, 0.0, "ab")
    net.drop = lambda sender, receiver, data: sender == "a" and data[0] == FRAME
    ping(net, "a", "b")
    net.drop = lambda sender, receiver, data: False
    net.wires["b", "a"].is_open = False
    net.capture = []
    ping(net, "a", "b")
    net.run(0.045)
    requests = [data for sender, _, data in net.capture if sender == "b" and len(data) == REQUEST_BYTES]
    assert len(requests) == ASKS


def test_resent_datagrams_are_the_very_same() -> None:
    net = warmed_up()
    net.capture = []
    stream(net, "a", "b", 30)
    seen: dict[tuple[int, int], bytes] = {}
    twice = 0
    for sender, _, data in net.capture:
        if sender == "a" and data[0] == FRAME:
            name = FRAME_HEAD.unpack_from(data)[1:]
            twice += name in seen
            assert seen.setdefault(name, data) == data
    assert data_of(b"x" * 60) == b"x" * 12
    assert counter(net, "a", "repair_bytes_resent") > 0


SHAPE = (51_456, 1_440, 0)

# -- datagrams of an answer --------------------------------------------------------------------------------------------


def test_what_is_resent_at_once_is_at_most_forty_datagrams_of_one_size() -> None:
    frame = bytes(folded_bytes(SHAPE))
    sizes = [[len(data) for data in group] for group in grouped([(5, frame, SHAPE, 0, SHAPE[0])], 77, 504, lambda _: 0)]
    assert [len(group) for group in sizes] == [40, 40, 28]
    assert {size for group in sizes for size in group[:-1]} == {504}


def test_a_longer_datagram_begins_what_is_resent_next() -> None:
    pieces: list[Piece] = [
        (5, bytes(folded_bytes(SHAPE)), SHAPE, *part) for part in ((0, 240), (480, 720), (1440, 2880))
    ]
    groups = grouped(pieces, 77, 1_464, lambda _: 0)
    assert [[len(data) for data in group] for group in groups] == [[264, 264], [1_464]]


def test_what_is_resent_of_a_long_frame_is_its_datagrams_or_parts_of_each() -> None:
    block = memoryview(bytearray(folded_bytes(SHAPE)))
    block[ROW : ROW + SHAPE[0]] = random.Random(3).randbytes(SHAPE[0])
    Folding().fold(block, SHAPE, 77, 5, 9)
    piece: Piece = 5, bytes(block), SHAPE, 1_440, 4_320
    [whole] = grouped([piece], 77, 1_472, lambda _: 9)
    assert b"".join(whole) == block[1_464:4_392]
    parts = [bytes(data[ROW:]) for group in grouped([piece], 77, 520, lambda _: 9) for data in group]
    assert b"".join(parts) == b"".join(data[ROW:] for data in whole)
    assert [len(part) for part in parts] == [496, 496, 448] * 2


def test_a_short_datagram_ends_what_is_resent_at_once() -> None:
    frame = bytes(folded_bytes(SHAPE))
    pieces: list[Piece] = [(5, frame, SHAPE, 0, 10), (5, frame, SHAPE, 500, 1_000), (6, bytes(50), None, 0, 50)]
    pieces.append((7, bytes(50), None, 0, 10))
    groups = grouped(pieces, 77, 520, lambda _: 0)
    assert [[len(data) for data in group] for group in groups] == [[24 + 10], [24 + 496, 24 + 4], [16 + 50] * 2]
    assert [data[0] for group in groups for data in group] == [CHUNK, CHUNK, CHUNK, FRAME, FRAME]


def test_a_frame_that_fits_one_datagram_is_resent_in_one_and_the_others_in_chunks() -> None:
    def sizes_of(*pieces: Piece) -> list[tuple[int, int]]:
        return [(data[0], len(data)) for group in grouped(list(pieces), 77, 520, lambda _: 0) for data in group]

    fits = 520 - FRAME_HEAD.size
    assert sizes_of((1, bytes(fits), None, 0, fits)) == [(FRAME, 520)]
    assert sizes_of((1, bytes(fits + 8), None, 0, fits + 8)) == [(CHUNK, 520), (CHUNK, 24 + 32)], "in whole rows"
    assert sizes_of((1, bytes(528), (480, 240, 0), 0, 480)) == [(CHUNK, 264)] * 2, "it was folded"


@pytest.mark.parametrize(
    ("ranges", "is_vanished"),
    [
        ([(number, 0, WHOLE_FRAME) for number in (7, 8, 9)], True),
        ([(7, 0, WHOLE_FRAME), (8, 0, WHOLE_FRAME), (9, 0, 1_472)], False),
        ([(7, 0, 2 * 1_472 + 8)], True),
        ([(7, 1_472, 3 * 1_472)], False),
        ([(7, 0, 2 * 1_472 + 8), (8, 0, 1_472)], True),
        ([(7, 1_472, WHOLE_FRAME)], False),
    ],
)
def test_datagrams_in_a_row_or_several_frames_have_vanished(ranges: list[Range], is_vanished: bool) -> None:
    assert has_vanished(ranges, 1_472) is is_vanished


# -- requests and answers ----------------------------------------------------------------------------------------------


@pytest.fixture
def lab() -> LinkLab:
    """Links that are up, a's of which keeps what it sends."""
    lab = LinkLab(delay_s=SHORT)
    lab.run(5)
    lab.link("a").frames.repair.sent.keeps_until = inf
    return lab


def answer_to(lab: LinkLab, *ranges: tuple[int, int, int]) -> tuple[int, list[tuple[int, bool]]]:
    """Has a's link answer a request; returns the bytes it resends, and (bytes, whether they are data) of each transmit."""
    link, outbox = lab.link("a"), lab.ends["a"].outbox
    keypair = link.keypairs.sending
    body = REPAIR_HEAD.pack(keypair.remote_index) + b"".join(REPAIR_RANGE.pack(*wanted) for wanted in ranges)
    resent = link.frames.repair.answer(memoryview(body), link.paths.active, keypair, now=lab.now)
    transmits = [(sum(map(len, datagrams)), is_data) for _, datagrams, _, is_data, _ in outbox.transmits]
    assert not any(traffic_class for *_, traffic_class in outbox.transmits)
    outbox.clear()
    return resent, transmits


def test_an_answer_is_data_and_as_long_as_what_was_asked_for(lab: LinkLab) -> None:
    lab.send("a", bytes(100))
    newest = lab.link("a").keypairs.sending.sealing.counter - 1
    sealed = 100 + TRAIN_HEADER_BYTES + FRAME_HEADER.size + TAG_BYTES
    on_wire = sealed + FRAME_HEAD.size
    assert answer_to(lab, (newest, 10, WHOLE_FRAME)) == (on_wire, [(on_wire, True)])
    lab.send("a", bytes(20_000))
    resent, transmits = answer_to(lab, (newest + 1, 10_000, 10_500))
    assert resent == sum(length for length, _ in transmits) == 500 + CHUNK_HEAD.size


def test_a_request_for_what_was_never_sent_or_for_nothing_is_answered_by_nothing(lab: LinkLab) -> None:
    lab.send("a", bytes(100))
    sent, counters = lab.link("a").frames.repair.sent, lab.ends["a"].counters
    sent.keeps_until, upcoming = 0.0, lab.link("a").keypairs.sending.sealing.counter
    assert answer_to(lab, (upcoming, 0, WHOLE_FRAME)) == (0, [])
    assert (sent.keeps_until, counters.repair_ranges_refused) == (0.0, 1)
    assert answer_to(lab) == (0, [])
    assert counters.frames_malformed == 0
    link = lab.link("a")
    for body in (b"", REPAIR_HEAD.pack(0), REPAIR_HEAD.pack(link.keypairs.sending.remote_index) + b"part of a range"):
        answer = link.frames.repair.answer
        assert answer(memoryview(body), link.paths.active, link.keypairs.sending, now=lab.now) == 0
    assert counters.frames_malformed == 2


def test_a_vanished_burst_has_the_size_of_datagrams_proved_at_once(lab: LinkLab) -> None:
    mtu = lab.link("a").paths.active.mtu
    mtu.acknowledged(mtu.size, now=lab.now)
    answer_to(lab, *((counter, 0, WHOLE_FRAME) for counter in range(1, VANISHED)))
    assert mtu.deadline > lab.now + VERIFY_INTERVAL_S
    answer_to(lab, *((counter, 0, WHOLE_FRAME) for counter in range(1, 1 + VANISHED)))
    assert mtu.deadline == lab.now + URGENT_INTERVAL_S


def test_new_keys_begin_with_nothing_kept_and_no_flow_to_follow(lab: LinkLab) -> None:
    repair = lab.link("a").frames.repair
    lab.send("a", b"under old keys")
    repair.restart_counters()
    assert repair.sent.held_bytes == 0
    assert repair.order.distance(2, frame_of(0)) == 0


def test_frames_without_data_that_were_asked_for_are_excused_once(lab: LinkLab) -> None:
    repair = lab.link("a").frames.repair
    lab.send("a", bytes(100))
    lab.act(lab.link("a").network_changed)
    lab.run(0)
    newest = lab.link("a").keypairs.sending.sealing.counter - 1
    answer_to(lab, (newest, 0, WHOLE_FRAME))
    assert [repair.take_excused(), repair.take_excused()] == [1, 0]


def test_what_is_missing_is_asked_for_as_soon_as_a_later_frame_tells_and_in_datagrams_that_fit(lab: LinkLab) -> None:
    size = lab.link("b").paths.active.mtu.size = DATAGRAM_FLOOR
    lab.cut("a", "b")
    for number in range(200):
        lab.send("a", b"%d" % number)
    lab.mend()
    lab.sent.clear()
    lab.send("a", b"later")
    lab.run(SHORT)
    [request] = [data for source, _, data in lab.sent if source == "b"]
    assert size - REPAIR_RANGE.size < len(request) <= size, "as much as fits"


def test_the_path_tells_how_soon_an_answer_can_come() -> None:
    delay = 0.004
    gaps = link_of(warmed_up(delay=delay), "b", "a").keypairs.sending.gaps
    assert gaps.least_answer_s == pytest.approx(2 * delay, rel=0.2)


def test_a_request_is_as_long_as_its_room_allows(lab: LinkLab) -> None:
    lab.link("b").paths.active.mtu.size = DATAGRAM_FLOOR
    lab.cut("a", "b")
    for number in range(200):
        lab.send("a", b"%d" % number)
    lab.mend()
    lab.send("a", b"later")
    lab.run(SHORT)
    link = lab.link("b")
    for room in range(60, 60 + REPAIR_RANGE.size):
        lab.now += 1.1 * MOST_BETWEEN_S
        request = link.frames.repair.request(link.keypairs.sending, srtt=SHORT, room=room, released=[], now=lab.now)
        assert request is not None
        assert room - REPAIR_RANGE.size < len(request) <= room


def test_the_last_frame_of_all_is_repaired_though_nothing_follows(lab: LinkLab) -> None:
    chunks = 0

    def lose_one(source: str, destination: str, data: bytes) -> bool:
        nonlocal chunks
        chunks += source == "a" and data[0] == CHUNK
        return source == "a" and data[0] == CHUNK and chunks == 5

    lab.drop = lose_one
    for _ in range(2):
        chunks = 0
        lab.send("a", bytes(20_000))
        lab.send("a", b"next")
        lab.run(0.1)
    assert lab.heard("b") == [bytes(20_000), b"next"] * 2
    chunks = 0
    lab.send("a", bytes(20_000))
    lab.run(0.02)
    assert lab.heard("b") == [bytes(20_000)]
