"""Control messages: what one end sends, the other gets, in order and once, whatever the wire does."""

import random
from types import SimpleNamespace
from typing import cast

import pytest

from mycelium.limits import DUMP_BACKLOG_BYTES
from mycelium.link.events import ItemsReceived
from mycelium.link.keypair import LinkKeypair
from mycelium.link.link import LinkState
from mycelium.wire.control import Item, RouteRequest, encode_item
from mycelium.wire.frame import CONTROL, CONTROL_HEADER, FRAME_HEADER
from tests.link.lab import DELAY_S, LinkLab


def items(*numbers: int) -> list[Item]:
    return [RouteRequest(number.to_bytes(16, "big")) for number in numbers]


def received(lab: LinkLab, name: str) -> list[Item]:
    return [item for event in lab.ends[name].events if isinstance(event, ItemsReceived) for item in event.items]


@pytest.fixture
def lab() -> LinkLab:
    lab = LinkLab()
    lab.settle(1)
    return lab


def test_messages_travel_at_once_and_are_acknowledged_once(lab: LinkLab) -> None:
    lab.act(lab.link("a").send_items, items(1, 2, 3))
    assert lab.link("a").untaken_bytes > 0
    lab.run(DELAY_S)
    assert received(lab, "b") == items(1, 2, 3)
    lab.run(DELAY_S)
    assert lab.link("a").untaken_bytes == 0
    quiet = [data for _, _, data in lab.sent]
    lab.run(0.2)
    assert [data for _, _, data in lab.sent][len(quiet) :] == [], "an acknowledgement is not acknowledged"


def test_whatever_is_lost_messages_come_in_order_and_once(lab: LinkLab) -> None:
    dice = random.Random(1)
    lab.drop = lambda source, destination, data: dice.random() < 0.3
    for number in range(200):
        lab.act(lab.link("a").send_items, items(number))
        lab.act(lab.link("b").send_items, items(number))
        lab.run(0.01)
    lab.run(20, until=lambda: len(received(lab, "a")) + len(received(lab, "b")) >= 400)
    assert received(lab, "a") == received(lab, "b") == items(*range(200))


def test_a_restarted_neighbour_is_told_of_and_its_new_stream_begins_at_once(lab: LinkLab) -> None:
    lab.act(lab.link("a").send_items, items(1))
    lab.run(1)
    lab.told("b")
    control = lab.link("a")._control
    control.restart()
    lab.act(lab.link("a").send_items, items(2))
    lab.run(1)
    assert received(lab, "b") == items(2)
    assert lab.told("b") == ["reset", "items"]


def test_what_was_dropped_is_no_backlog_of_the_next_stream(lab: LinkLab) -> None:
    """Else routing, which tells a neighbour with a backlog no more of its table, would say nothing in it."""
    lab.cut("a", "b")
    lab.act(lab.link("a").send_items, items(*range(200_000)))
    assert lab.told("a") == ["reset"]
    assert 0 < lab.link("a").untaken_bytes < DUMP_BACKLOG_BYTES


def test_what_no_decoder_understands_is_counted_and_the_link_lives_on(lab: LinkLab) -> None:
    for body in (b"", b"short", bytes(24), bytes(2_000)):
        plain = memoryview(bytearray(bytes(FRAME_HEADER.size) + body))
        lab.act(lab.link("a").frames.send, CONTROL, plain)
        lab.run(1)
    assert lab.ends["b"].counters.frames_malformed == 4
    lab.act(lab.link("a").send_items, items(7))
    lab.run(1)
    assert received(lab, "b") == items(7)


def test_messages_of_an_outage_are_resent_as_soon_as_the_neighbour_answers(lab: LinkLab) -> None:
    """Else the timeout would decide, which has doubled many times by then."""
    lab.cut("a", "b")
    lab.act(lab.link("a").send_items, items(1))
    lab.run(0.17)
    assert lab.told("a") == ["suspect"]
    lab.mend()
    lab.run(0.1, until=lambda: lab.link("a").state is LinkState.UP)
    assert received(lab, "b") == []
    lab.run(DELAY_S)
    assert received(lab, "b") == items(1)


def test_messages_to_an_address_that_the_neighbour_has_left_are_resent_to_the_new_one(lab: LinkLab) -> None:
    lab.move("b", "elsewhere")
    for number in range(3):
        lab.act(lab.link("a").send_items, items(number))
        lab.run(0.05)
    lab.send("b", b"from elsewhere")
    lab.run(0.1, until=lambda: lab.link("a").paths.active.endpoint.host == "elsewhere")
    assert received(lab, "b") == []
    lab.run(DELAY_S)
    assert received(lab, "b") == items(0, 1, 2)


def test_a_late_frame_of_another_process_does_not_make_the_present_one_unheard(lab: LinkLab) -> None:
    """Each process numbers its streams as it likes; the newer one has the newer keypair."""
    control = lab.link("b")._control
    old, new = (cast("LinkKeypair", SimpleNamespace(established=lab.now + age)) for age in (1.0, 2.0))
    body = encode_item(items(7)[0])

    def arrives(keypair: LinkKeypair, stream: int, number: int) -> list[Item]:
        header = CONTROL_HEADER.pack(stream, number, 0, 0, 0)
        return control.receive(keypair, memoryview(header + body), now=lab.now).items

    high, low = control._channel._peer_stream + 100, control._channel._peer_stream + 50
    assert arrives(old, high, 1) == items(7)
    assert arrives(new, low, 1) == items(7)
    assert arrives(old, high, 2) == []  # late, beyond a gap; but it is taken for a new stream
    assert arrives(new, low, 1) == items(7)
