"""Events in words: each kind has its own, and what an event does not know is left out."""

from string import Formatter

import pytest
from msgspec.structs import asdict

from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.node.event_kind import EventKind

NODE, OTHER = "400::1", "401::1"


def words(kind: EventKind, **fields: object) -> str:
    return describe(EventInfo(sequence=1, time=0.0, kind=kind.value, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_words_about_fields_that_an_event_has(kind: EventKind) -> None:
    fields = {field for _, field, _, _ in Formatter().parse(kind.words) if field}
    assert fields
    assert fields <= asdict(EventInfo(sequence=1, time=0.0, kind=kind.value)).keys()
    told = words(
        kind, node=NODE, peer="udp://a:1", before=OTHER, after=NODE, cause="why", silent_s=1.0, without_s=2.0, count=3
    )
    assert not set("[]{}") & set(told)
    assert "none" not in told


def test_a_part_whose_field_says_nothing_is_left_out() -> None:
    assert (
        words(EventKind.LINK_DOWN, node=NODE, cause="silent", silent_s=0.205) == f"link down: {NODE}, silent for 0.20 s"
    )
    for silent_s in (None, 0.0):
        assert words(EventKind.LINK_DOWN, node=NODE, cause="closed", silent_s=silent_s) == f"link down: {NODE}, closed"
    peer, cause = "udp://[fd00::1]:9651", "no answer"
    assert words(EventKind.PEER_FAILED, peer=peer, cause=cause) == f"peer {peer}: no answer"
    assert words(EventKind.PEER_FAILED, peer=peer, cause=cause, count=2) == f"peer {peer}: no answer, 2 times in a row"
    assert words(EventKind.ROUTES, count=1) == "routes: 1 more changes"


def test_a_route_that_was_or_is_missing_is_none() -> None:
    assert words(EventKind.ROUTE, node=NODE, after=OTHER, cause="better") == f"route to {NODE}: none -> {OTHER}, better"
    lost = words(EventKind.ROUTE, node=NODE, before=OTHER, cause="lost", without_s=0.25)
    assert lost == f"route to {NODE}: {OTHER} -> none, lost, 0.250 s without"


def test_a_kind_that_only_a_newer_daemon_knows_is_shown_by_its_name() -> None:
    assert describe(EventInfo(sequence=1, time=0.0, kind="of a newer daemon")) == "of a newer daemon"
