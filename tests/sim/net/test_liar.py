"""Falsified updates."""

import pytest

from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Digest, Item, Update
from mycelium.wire.distance import INFINITY, distance
from sim.net.liar import ATTRACTIVE_METRIC, LIES, falsify

LIAR, VICTIM = b"\x04" + b"l" * 15, b"\x04" + b"v" * 15


def update(node: bytes, metric: int = 50) -> Update:
    return Update(node, distance(7, metric), Announcement(node + bytes(16), 7, b"simulate", signature=bytes(64)))


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_tells_the_truth_about_itself_and_changes_no_other_messages(lie: str) -> None:
    items: list[Item] = [update(LIAR), Digest(bytes(16), 3)]
    assert falsify(lie, items, LIAR) == items


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_claims_the_victim_at_the_least_metric(lie: str) -> None:
    (found,) = falsify(lie, [update(VICTIM)], LIAR)
    assert isinstance(found, Update)
    assert (found.node, found.metric) == (VICTIM, ATTRACTIVE_METRIC)


def test_a_forged_update_has_a_newer_sequence_under_an_invalid_signature() -> None:
    (found,) = falsify("forge", [update(VICTIM)], LIAR)
    assert isinstance(found, Update)
    assert found.sequence == 8
    assert found.announcement is not None
    assert found.announcement.signature != bytes(64)
    assert found.announcement.signing_public_key == VICTIM + bytes(16)


def test_an_impersonator_uses_its_own_key() -> None:
    (found,) = falsify("impersonate", [update(VICTIM)], LIAR)
    assert isinstance(found, Update)
    assert found.announcement is not None
    assert found.announcement.signing_public_key == LIAR + bytes(16)


def test_a_retraction_is_falsified_by_who_attracts_only() -> None:
    retracted = update(VICTIM, INFINITY)
    assert falsify("forge", [retracted], LIAR) == [retracted]
    assert falsify("attract", [retracted], LIAR) != [retracted]
