"""Events in words: each kind has its own, and what an event does not know is left out."""

import re
from pathlib import Path
from string import Formatter

import pytest
from msgspec.structs import asdict

import mycelium.routing
from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import _ROUTE_CAUSES, describe
from mycelium.node.event_kind import EventKind

NODE, OTHER = "400::1", "401::1"
_SELECTING = ("adjacencies", "selection", "expiry")


def words(kind: EventKind, **fields: object) -> str:
    return describe(EventInfo(sequence=1, time=0.0, kind=kind.value, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_has_words_about_fields_that_an_event_has(kind: EventKind) -> None:
    fields = {field for _, field, _, _ in Formatter().parse(kind.words) if field}
    assert fields or kind is EventKind.KEY_ALONE, "which is about this node alone"
    assert fields <= asdict(EventInfo(sequence=1, time=0.0, kind=kind.value)).keys() | {"story"}
    told = words(
        kind, node=NODE, peer="udp://a:1", before=OTHER, after=NODE, cause="why", silent_s=1.0, without_s=2.0, count=3
    )
    assert not set("[]{}") & set(told)
    assert "none" not in told


def test_a_part_whose_field_says_nothing_is_left_out() -> None:
    peer, cause = "udp://[fd00::1]:9651", "no answer"
    assert words(EventKind.PEER_FAILED, peer=peer, cause=cause) == f"peer {peer}: no answer"
    assert words(EventKind.PEER_FAILED, peer=peer, cause=cause, count=2) == f"peer {peer}: no answer, 2 times in a row"
    assert words(EventKind.ROUTES, count=1) == "routes: 1 more, not listed one by one"


@pytest.mark.parametrize(
    ("cause", "silent_s", "told"),
    [
        ("silent", 0.205, f"{NODE} has not answered for 0.20 s"),
        ("silent", 0.0, f"{NODE} has not answered"),
        ("closed", 0.3, f"{NODE} has closed the link"),
        ("closed", None, f"{NODE} has closed the link"),
        ("eth0 lost its carrier", 0.03, f"{NODE}: eth0 lost its carrier"),
    ],
)
def test_a_link_that_fails_tells_the_cause_that_is_known(cause: str, silent_s: float | None, told: str) -> None:
    assert words(EventKind.LINK_DOWN, node=NODE, cause=cause, silent_s=silent_s) == f"link down: {told}"


FAR, ONE, TWO = "400::f", "400::1", "400::2"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"after": FAR, "cause": "better"}, "found, directly"),
        ({"after": ONE, "cause": "up"}, "found, via 400::1"),
        (
            {"before": ONE, "after": TWO, "cause": "better"},
            "now leads via 400::2, not via 400::1: the new way is shorter",
        ),
        (
            {"before": FAR, "after": TWO, "cause": "suspected", "without_s": 0.25},
            "now leads via 400::2, not directly: the link to it seemed cut; 0.250 s without a working route",
        ),
        (
            {"before": ONE, "after": TWO, "cause": "lost"},
            "now leads via 400::2, not via 400::1: the link to 400::1 went down",
        ),
        (
            {"before": TWO, "after": ONE, "cause": "damping over"},
            "now leads via 400::1, not via 400::2: the link to 400::1 has stayed up for a while",
        ),
        (
            {"before": ONE, "cause": "retracted", "without_s": 1.004},
            "lost, it led via 400::1: 400::1 had no route there any more; 1.004 s without a working route so far",
        ),
        ({"before": FAR, "cause": "expired"}, "lost, it led directly: nothing was heard of it for minutes"),
        (
            {"before": FAR, "after": FAR, "cause": "suspected", "without_s": 3.016},
            "is back, directly as before, after 3.016 s without a working route: the link to it seemed cut",
        ),
        (
            {"before": ONE, "after": TWO, "cause": "of a newer daemon"},
            "now leads via 400::2, not via 400::1: of a newer daemon",
        ),
    ],
)
def test_a_route_tells_what_became_of_it_and_why(fields: dict[str, object], told: str) -> None:
    assert words(EventKind.ROUTE, node=FAR, **fields) == f"route to {FAR} {told}"


def test_every_cause_that_routing_gives_has_words() -> None:
    text = "".join((Path(mycelium.routing.__path__[0]) / f"{name}.py").read_text() for name in _SELECTING)
    calls = re.compile(r"(?:_apply_cost|_give_up|reselect|choose)\([^\n]*?((?:\"[a-z ]+\"(?: if \w+ else )?)+)")
    given = {cause for call in calls.findall(text) for cause in re.findall(r'"([a-z ]+)"', call)}
    assert given == set(_ROUTE_CAUSES)


def test_a_kind_that_only_a_newer_daemon_knows_is_shown_by_its_name() -> None:
    assert describe(EventInfo(sequence=1, time=0.0, kind="of a newer daemon")) == "of a newer daemon"
