"""The kinds of events: names that the API can carry, and levels that a log has."""

import logging
import re

from mycelium.node.event_kind import EventKind


def test_each_kind_has_a_plain_name_and_a_level_that_the_log_knows() -> None:
    assert len({kind.value for kind in EventKind}) == len(EventKind)
    for kind in EventKind:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.value)
        assert kind.level in logging.getLevelNamesMapping()


def test_what_needs_the_operator_is_louder_than_what_is_routine() -> None:
    assert EventKind.PEER_FAILED.level == "WARNING"
    assert EventKind.LINK_DOWN.level == "INFO"
    assert EventKind.ROUTE.level == "DEBUG"
