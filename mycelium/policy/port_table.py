"""Which rule decides about a packet of one node: found by protocol and port, in the time of a bisection."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from mycelium.packet.ipv6 import TCP, UDP
from mycelium.policy.rules import HIGHEST_PORT, PolicyRule

_WITH_PORTS: Final = (TCP, UDP)


class PortTable:
    """The rules that concern one node, or many of whom the same rules fit."""

    __slots__ = ("_by_protocol", "_rules", "_segments")

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        self._rules = rules
        self._segments = {protocol: _Segments(_of_protocol(rules, protocol)) for protocol in _WITH_PORTS}
        self._by_protocol: dict[int, PolicyRule | None] = {}

    def rule(self, protocol: int, port: int) -> PolicyRule | None:
        """Returns the first rule that fits a packet to this port of the host; None where none does."""
        segments = self._segments.get(protocol)
        if segments is not None:
            return segments.at(port)
        if protocol not in self._by_protocol:
            self._by_protocol[protocol] = next(iter(_of_protocol(self._rules, protocol)), None)
        return self._by_protocol[protocol]


def _of_protocol(rules: Iterable[PolicyRule], protocol: int) -> list[PolicyRule]:
    return [rule for rule in rules if rule.protocol in (None, protocol)]


class _Segments:
    """Ports cut where a rule begins or ends, and the first rule of each piece."""

    __slots__ = ("_rules", "_starts")

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        ranges = [(first, last, rule) for rule in rules for first, last in rule.ports or ((0, HIGHEST_PORT),)]
        cuts = {first for first, _, _ in ranges} | {last + 1 for _, last, _ in ranges}
        self._starts = sorted({0, *cuts})
        self._rules: list[PolicyRule | None] = [None] * len(self._starts)
        free = list(range(len(self._starts)))  # the next piece without a rule, from each on
        places = {start: index for index, start in enumerate(self._starts)}
        for first, last, rule in ranges:
            index = _next(free, places[first])
            while index < places[last + 1]:
                self._rules[index] = rule
                free[index] = index + 1
                index = _next(free, index)

    def at(self, port: int) -> PolicyRule | None:
        return self._rules[bisect_right(self._starts, port) - 1]


def _next(free: list[int], index: int) -> int:
    while free[index] != index:
        free[index] = free[free[index]]
        index = free[index]
    return index
