"""The bound on open connections: neither silent callers nor calls that wait can keep another one out."""

from dataclasses import dataclass

from mycelium.api.connections import Connections
from mycelium.limits import API_CONNECTIONS


@dataclass(eq=False)
class SilentCaller:
    is_answering: bool = False
    is_aborted: bool = False

    def abort(self) -> None:
        self.is_aborted = True


def full(*, answering: bool = False) -> tuple[Connections[SilentCaller], list[SilentCaller]]:
    connections, callers = Connections[SilentCaller](), [SilentCaller(answering) for _ in range(API_CONNECTIONS)]
    for caller in callers:
        connections.admit(caller)
    assert len(connections) == API_CONNECTIONS
    return connections, callers


def test_the_one_that_was_used_longest_ago_gives_way() -> None:
    connections, callers = full()
    connections.used(callers[0])
    connections.admit(newest := SilentCaller())
    assert [caller for caller in callers if caller.is_aborted] == [callers[1]]
    assert list(connections) == [*callers[2:], callers[0], newest]


def test_one_at_work_does_not_give_way() -> None:
    connections, callers = full()
    callers[0].is_answering = True
    connections.admit(SilentCaller())
    assert [caller for caller in callers if caller.is_aborted] == [callers[1]]


def test_where_all_are_at_work_the_oldest_gives_way() -> None:
    connections, callers = full(answering=True)
    connections.admit(newest := SilentCaller())
    assert [caller for caller in callers if caller.is_aborted] == [callers[0]]
    assert list(connections) == [*callers[1:], newest]


def test_one_that_is_over_leaves_its_place() -> None:
    connections, callers = full(answering=True)
    connections.remove(callers[0])
    connections.remove(callers[0])
    connections.admit(SilentCaller())
    assert not any(caller.is_aborted for caller in callers)


def test_use_after_the_end_is_ignored() -> None:
    connections = Connections[SilentCaller]()
    connections.used(SilentCaller())
    assert len(connections) == 0
