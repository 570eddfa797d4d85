"""What a link reports to its owner, and in which order."""

import pytest

from mycelium.link.events import CostChanged, ItemsReceived, LinkDown, LinkSuspected, LinkUp
from mycelium.link.link import LinkState
from mycelium.wire.control import RouteRequest
from mycelium.wire.frame import CLOSE_LEAVING
from tests.link.lab import DELAY_S, LinkLab, endpoint

ITEM = RouteRequest(bytes(16))


def up() -> LinkLab:
    """Returns links that have both reported to be up, and nothing since."""
    lab = LinkLab()
    lab.run(1)
    assert (lab.told("a"), lab.told("b")) == (["up"], ["up"])
    return lab


def keep_talking(lab: LinkLab, seconds: float) -> None:
    for _ in range(round(seconds / 0.01)):
        lab.send("a", b"ping")
        lab.send("b", b"pong")
        lab.run(0.01)


def test_a_link_is_up_once_its_cost_is_known() -> None:
    lab = LinkLab()
    lab.run(1)
    [event] = lab.ends["a"].events
    assert event == LinkUp(lab.ends["b"].identity.address, endpoint("b"), lab.link("a").cost or 0)
    assert 500 < event.cost < 600  # half of 10 ms, and 0.3 ms for the hop, in units of 10 us
    assert lab.link("a").state is LinkState.UP


@pytest.mark.parametrize("wire", [("a", "b"), ("b", "a")])
def test_a_cut_one_way_is_suspected_and_then_down_at_both_ends_and_up_again_after_it(wire: tuple[str, str]) -> None:
    lab = up()
    lab.cut(*wire)
    keep_talking(lab, 2)
    for name in "ab":
        suspected, down = lab.ends[name].events
        assert isinstance(suspected, LinkSuspected)
        assert isinstance(down, LinkDown)
        assert 0.07 < suspected.silent_s < down.silent_s < 0.8
        assert lab.told(name) == ["suspect", "down: silent"]
    lab.mend()
    lab.run(3)
    assert (lab.told("a"), lab.told("b")) == (["up"], ["up"])


def test_a_short_cut_is_suspected_and_then_trusted() -> None:
    lab = up()
    lab.cut("a", "b")
    keep_talking(lab, 0.15)
    assert lab.told("a") == ["suspect"]
    lab.mend()
    keep_talking(lab, 0.5)
    assert lab.told("a") == ["trusted"]


def test_a_goodbye_is_no_silence() -> None:
    lab = up()
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(DELAY_S)
    assert lab.told("a") == ["down: closed"]
    lab.run(10)
    assert lab.told("a") == [], "it answers probes until its process ends, and is not up again for that"


def test_a_link_that_its_owner_ends_says_why_once() -> None:
    lab = up()
    lab.act(lab.link("a").end, "the peer was removed")
    lab.act(lab.link("a").end, "again")
    assert lab.told("a") == ["down: the peer was removed"]


def test_new_keys_are_reported_by_both_ends_and_nothing_else() -> None:
    lab = up()
    lab.shake_hands("a")
    keep_talking(lab, 1)
    assert (lab.told("a"), lab.told("b")) == (["keys"], ["keys"])


def test_another_address_of_the_neighbours_is_a_move() -> None:
    lab = up()
    lab.move("b", "b9")
    lab.send("b", b"from elsewhere")
    lab.run(1)
    assert lab.told("a") == ["moved to b9"]
    assert lab.heard("a") == [b"from elsewhere"]


def test_another_address_of_the_own_host_is_no_move() -> None:
    lab = up()
    lab.local_addresses["a"] = b"\x01"
    lab.send("b", b"to elsewhere")
    lab.run(1)
    assert lab.link("a").paths.active.endpoint.local == b"\x01"
    assert lab.told("a") == []


def test_control_messages_are_reported_in_order_behind_what_came_before_them() -> None:
    lab = LinkLab()
    lab.run(DELAY_S)
    items = [RouteRequest(bytes([number]) * 16) for number in range(100)]
    lab.run(1, until=lambda: lab.link("a").cost is not None)
    lab.act(lab.link("a").send_items, items)
    lab.run(1)
    up_event, *received = lab.ends["b"].events
    assert isinstance(up_event, LinkUp)
    assert [item for event in received if isinstance(event, ItemsReceived) for item in event.items] == items


def test_control_messages_for_a_link_that_is_not_up_are_sent_again_until_it_is() -> None:
    lab = LinkLab()
    lab.cut("b", "a")  # b is not answered, so it is not up
    lab.run(DELAY_S)
    lab.act(lab.link("a").send_items, [ITEM])
    lab.run(0.3)
    assert lab.told("b") == []
    lab.mend()
    lab.run(3)
    assert lab.told("b") == ["up", "items"]


def test_a_neighbour_too_slow_for_what_it_is_told_is_told_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = up()
    lab.act(lab.link("a").send_items, [ITEM])
    lab.run(1)
    assert (lab.told("a"), lab.told("b")) == ([], ["items"])
    monkeypatch.setattr("mycelium.link.control_channel.CONTROL_QUEUE_BYTES", 10)
    lab.act(lab.link("a").send_items, [ITEM])
    assert lab.told("a") == ["reset"]
    lab.run(1)
    assert lab.told("b") == ["reset"], "the other end has lost what it was told, too"


def test_a_link_that_gets_longer_reports_another_cost() -> None:
    lab = up()
    for wire in (("a", "b"), ("b", "a")):
        lab.delays_s[wire] = 0.05
    keep_talking(lab, 5)
    costs = [event.cost for event in lab.ends["a"].events if isinstance(event, CostChanged)]
    assert costs
    assert costs[-1] == lab.link("a").cost
    assert costs[-1] > 4_500
    assert set(lab.told("a")) <= {"cost", "suspect", "trusted"}
