"""Why a node is reached as it is, in lines for people."""

import textwrap
from typing import Final

from mycelium.admin.diagnosis import CandidateInfo, ExplanationInfo
from mycelium.admin.event_text import describe
from mycelium.admin.table import Column, table_lines
from mycelium.cli.diagnosis import detour
from mycelium.cli.output import cost_ms, duration, moment

_INDENT: Final = "  "


def explanation_lines(found: ExplanationInfo, *, room: int | None) -> list[str]:
    """Returns the choice, the candidates with what decides about each, and the last changes; `room` is the terminal's width."""
    lines = [_choice(found)]
    if found.candidates:
        columns = (*_COLUMNS, Column[CandidateInfo]("Why", lambda one: _why(one, found), must_show=True))
        rows = table_lines(columns, found.candidates, room=room)
        lines += ["", *(line for row in rows for line in row.splitlines())]
    if found.changes:
        told = [
            describe(one).removeprefix(f"route to {one.names.get(found.node, found.node)} ") for one in found.changes
        ]
        changes = [f"{_INDENT}{moment(one.time)} {story}" for one, story in zip(found.changes, told, strict=True)]
        lines += ["", "Last changes:", *changes]
    return [part for line in lines for part in _folded(line, room)]


def _choice(found: ExplanationInfo) -> str:
    node = f"{found.name} ({found.node})" if found.name else found.node
    if found.next_hop is None:
        return f"{node} can't be reached: {found.error or 'no neighbour has a route there that can be used'}."
    if not found.has_route:
        return f"No route to {node} is kept here: packets are {detour(found)}, via {found.next_hop}."
    way = "directly" if found.next_hop == found.node else f"via {found.next_hop}"
    since = f", chosen {duration(found.chosen_s or 0)} ago"
    return f"{node} is reached {way}: {_ms(found.cost)} ms{since}."


def _why(one: CandidateInfo, found: ExplanationInfo) -> str:
    """Returns what decides about a candidate, and what may soon change that."""
    parts = [_verdict(one, found)]
    if one.damped_s and one.verdict != "damped":
        parts.append(
            f"its link has failed several times lately and counts as 10 s longer for {one.damped_s:.0f} s more"
        )
    if one.pending_link_cost is not None:
        parts.append(f"its link measures {_ms(one.pending_link_cost)} now, {_lasting(one.pending_s)}")
    return "; ".join(parts)


def _lasting(seconds: float | None) -> str:
    return f"which counts if it lasts {seconds:.1f} s more" if seconds else "which counts after some more measurements"


def _verdict(one: CandidateInfo, found: ExplanationInfo) -> str:
    match one.verdict:
        case "chosen" if not found.has_route:
            return "the shortest way that is told of, but the node is too far to be kept"
        case "chosen":
            return "chosen" if one.feasible else f"kept, though {_unfeasible(one, found)}"
        case "longer":
            return _longer(one, found)
        case "avoided":
            return "what was sent there over it did not arrive: counts as 10 s longer, and is probed now and then"
        case "damped":
            return f"its link has failed several times lately: counts as 10 s longer for {one.damped_s:.0f} s more"
        case "unfeasible":
            return f"it might lead back here: {_unfeasible(one, found)}"
        case "suspected":
            return "it does not answer at present"
        case "retracted":
            return "it has no route there any more"
    return one.verdict  # of a newer daemon


def _longer(one: CandidateInfo, found: ExplanationInfo) -> str:
    if one.cost is None or found.cost is None:
        return "too long to be used"
    return f"{_ms(one.cost - found.cost)} longer" if one.cost > found.cost else "as long as the chosen one"


def _unfeasible(one: CandidateInfo, found: ExplanationInfo) -> str:
    """Says why a route is not feasible, and what is done about it."""
    limit = found.feasibility
    if limit is None:
        return "its route was not better than the one used before"
    asked = "; its node is asked for a newer sequence" if found.requesting else ""
    if one.sequence < limit.sequence:
        return f"its route is of sequence {one.sequence}, older than {limit.sequence}{asked}"
    return f"it advertises {_ms(one.advertised)}, which is not below {_ms(limit.cost)}{asked}"


def _ms(cost: int | None) -> str:
    return cost_ms(cost, none="-")


def _folded(line: str, room: int | None) -> list[str]:
    if room is None or len(line) <= room:
        return [line]
    start = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(line, room, subsequent_indent=start + _INDENT, break_long_words=False, break_on_hyphens=False)


_COLUMNS: Final[tuple[Column[CandidateInfo], ...]] = (
    Column("Next hop", lambda one: one.next_hop, must_show=True),
    Column("Link", lambda one: _ms(one.link_cost), is_number=True, must_show=True),
    Column("Beyond", lambda one: _ms(one.advertised), is_number=True, must_show=True),
    Column("Total ms", lambda one: _ms(one.cost), is_number=True, must_show=True),
)
