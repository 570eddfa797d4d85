"""What a neighbour may send in control messages is counted by its address, whatever links it makes."""

import pytest

from mycelium.limits import CONTROL_BYTES_AT_ONCE, CONTROL_BYTES_PER_SECOND
from mycelium.link.budgets import LinkBudgets
from mycelium.link.events import ItemsReceived
from mycelium.wire.control import Item, RouteRequest, encode_item
from tests.link.lab import LinkLab

NUMBERS = range(600)
ITEMS: list[Item] = [RouteRequest(number.to_bytes(16, "big")) for number in NUMBERS]


def test_the_budget_of_a_neighbour_outlives_its_links() -> None:
    budgets = LinkBudgets()
    assert budgets.control_of(b"a" * 16, now=0.0).take(CONTROL_BYTES_AT_ONCE, now=0.0)
    assert not budgets.control_of(b"a" * 16, now=0.0).take(now=0.0)
    assert budgets.control_of(b"a" * 16, now=1.0).take(CONTROL_BYTES_PER_SECOND, now=1.0)
    assert budgets.control_of(b"b" * 16, now=0.0).take(CONTROL_BYTES_AT_ONCE, now=0.0)


def test_what_is_above_it_comes_later_and_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.link.budgets.CONTROL_BYTES_AT_ONCE", 4_096)
    monkeypatch.setattr("mycelium.link.budgets.CONTROL_BYTES_PER_SECOND", 2_048)
    lab = LinkLab()
    lab.settle(1)
    lab.act(lab.link("a").send_items, ITEMS)

    def received() -> list[Item]:
        return [item for event in lab.ends["b"].events if isinstance(event, ItemsReceived) for item in event.items]

    lab.run(1.0)
    assert 0 < len(received()) <= (4_096 + 2 * 2_048) / len(encode_item(ITEMS[0]))
    assert lab.ends["b"].counters.control_over_budget > 0
    for _ in range(120):
        lab.run(1.0)
    assert received() == ITEMS
