"""The API's counters have names and meanings of their own."""

from mycelium.api.counters import ApiCounters
from mycelium.counters import Registry


def test_what_is_counted_is_shown_to_the_operator() -> None:
    registry, counters = Registry(), ApiCounters()
    registry.add(counters, prefix="api_")
    counters.streams_refused += 1
    assert registry.values() == {"api_streams_refused": 1, "api_updates_skipped": 0}
