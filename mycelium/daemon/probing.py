"""Asks nodes for echoes, for the operator: whether a node answers, how long that takes, and over whom."""

import asyncio
from collections import Counter
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from msgspec.structs import replace

from mycelium.admin.diagnosis import HopInfo, PingInfo, TraceInfo
from mycelium.daemon.link_infos import NameOf
from mycelium.daemon.peers import Act
from mycelium.daemon.way_infos import fields_of, look_up, way_info, why_none
from mycelium.identity import address_text
from mycelium.limits import HOP_LIMIT
from mycelium.node.node import Node
from mycelium.outbox import EchoAnswered
from mycelium.wire.train import ERROR_HOP_LIMIT, ERROR_NO_ROUTE

TRACE_ROUNDS: Final = 3  # requests for each hop
TRACE_WAIT_S: Final = 1.0  # for the answers of one round
HOPS_TRIED: Final = 16  # where the node does not answer, so that its distance is not known


class _Outcome(NamedTuple):
    answer: EchoAnswered | None
    was_sent: bool  # else there was no session in time


class Asked(NamedTuple):
    """A request for an echo, and what will have its answer."""

    token: bytes
    answer: asyncio.Future[EchoAnswered]


class Probing:
    """Echoes of one node. `act` calls the node and carries out what it wants done, `name_of` names nodes that have a name."""

    def __init__(self, node: Node, act: Act, name_of: NameOf) -> None:
        self._node = node
        self._act = act
        self._name_of = name_of
        self._waiting: dict[bytes, asyncio.Future[EchoAnswered]] = {}

    def answered(self, answer: EchoAnswered) -> None:
        """Takes an answer from the node's outbox."""
        waiting = self._waiting.pop(answer.token, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def ping(self, node: bytes, *, wait_s: float) -> PingInfo:
        """Asks another node for an echo and waits for the answer, or why there is none."""
        node = await look_up(self._node, self._act, node)
        way = replace(way_info(self._node, node), name=self._name_of(node))
        found = PingInfo(**fields_of(way), next_hop_name=self._named(way.next_hop), direct=way.next_hop == way.node)
        if way.next_hop is None:
            return replace(found, error=why_none(self._node, way))
        answer, was_sent = await self._echo(node, HOP_LIMIT, wait_s)
        if answer is None:
            what = "no answer" if was_sent else "it did not answer the request for a session"
            return replace(found, error=f"{what} within {wait_s:g} s")
        if answer.error is not None:
            return replace(found, error=_reported(answer))
        return replace(found, rtt_ms=_milliseconds(answer.rtt_s), hops=answer.hops)

    async def trace(self, node: bytes) -> TraceInfo:
        """Finds the nodes on the way to another one, by echoes that they may pass on ever fewer times."""
        first = await self.ping(node, wait_s=2 * TRACE_WAIT_S)
        node = IPv6Address(first.node).packed
        most = HOPS_TRIED if first.hops is None else first.hops
        answers: list[list[EchoAnswered]] = [[] for _ in range(most)]
        for _ in range(TRACE_ROUNDS if first.next_hop is not None else 0):
            asked = (self._echo(node, hop_limit, TRACE_WAIT_S) for hop_limit in range(1, most + 1))
            for found, (answer, _) in zip(answers, await asyncio.gather(*asked), strict=True):
                found += [] if answer is None else [answer]
        hops = [replace(hop, name=self._named(hop.node)) for hop in _hops(answers, node)]
        return TraceInfo(
            **fields_of(first),
            hops=hops,
            reached=bool(hops) and hops[-1].node == first.node,
            error=first.error,
        )

    def _named(self, node: str | None) -> str | None:
        return None if node is None else self._name_of(IPv6Address(node).packed)

    def ask(self, node: bytes, *, hop_limit: int = HOP_LIMIT) -> Asked:
        """Asks for an echo; to be forgotten by `forget`, with or without an answer."""
        tokens = list[bytes]()
        self._act(lambda now: tokens.append(self._node.echoes.ask(node, hop_limit=hop_limit, now=now)))
        asked = Asked(tokens[0], asyncio.get_running_loop().create_future())
        self._waiting[asked.token] = asked.answer
        return asked

    def forget(self, asked: Asked) -> bool:
        """Waits no more; returns whether a request without an answer had been sent, which takes a session."""
        self._waiting.pop(asked.token, None)
        return self._node.echoes.forget(asked.token)

    async def _echo(self, node: bytes, hop_limit: int, wait_s: float) -> _Outcome:
        asked = self.ask(node, hop_limit=hop_limit)
        try:
            async with asyncio.timeout(wait_s):
                return _Outcome(await asked.answer, was_sent=True)
        except TimeoutError:
            return _Outcome(None, was_sent=self.forget(asked))
        finally:
            self.forget(asked)


def _hops(answers: list[list[EchoAnswered]], node: bytes) -> list[HopInfo]:
    """Returns the hops up to the node, or to the last one that answered."""
    hops = []
    for number, found in enumerate(answers, start=1):
        hops.append(_hop(number, found))
        if any(one.by == node or one.error not in (None, ERROR_HOP_LIMIT) for one in found):
            break
    while hops and hops[-1].node is None:
        hops.pop()
    return hops


def _hop(number: int, found: list[EchoAnswered]) -> HopInfo:
    if not found:
        return HopInfo(hop=number, answered=0)
    [(node, _)] = Counter(one.by for one in found).most_common(1)
    its = [one for one in found if one.by == node]
    times = sorted(one.rtt_s for one in its)
    refused = next((one for one in its if one.error not in (None, ERROR_HOP_LIMIT)), None)
    return HopInfo(
        hop=number,
        node=address_text(node),
        answered=len(found),
        least_ms=_milliseconds(times[0]),
        median_ms=_milliseconds(times[len(times) // 2]),
        error=None if refused is None else _reported(refused),
    )


def _reported(answer: EchoAnswered) -> str:
    """Returns what a relay says of a request, in words."""
    by = address_text(answer.by)
    match answer.error:
        case code if code == ERROR_NO_ROUTE:
            return f"{by}, on the way, has no route to it"
        case code if code == ERROR_HOP_LIMIT:
            return f"it is more than {HOP_LIMIT} nodes away: {by} passed the request on no further"
    return f"{by} could not deliver it"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1_000, 3)
