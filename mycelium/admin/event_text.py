"""Events as one line of text each, for the log and the command line."""

import re
from typing import Final

from msgspec import structs

from mycelium.admin.control import EventInfo
from mycelium.node.event_kind import EventKind

_WORDS: Final = {kind.value: kind.words for kind in EventKind}
_OPTIONAL: Final = re.compile(r"\[(.*?{(\w+).*?)\]")  # groups: the part without its brackets, its field

# Why a route changed: in terms of the next hop before and after. What is not here is told as it is.
_ROUTE_CAUSES: Final = {
    "better": "the new way is shorter",
    "worse": "the way over {before} became longer",
    "retracted": "{before} had no route there any more",
    "lost": "the link to {before} went down",
    "suspected": "the link to {before} seemed cut",
    "trusted": "{after} answers again",
    "up": "the link to {after} came up",
    "cost": "the cost of a link changed",
    "restarted": "{after} has restarted",
    "damping over": "the link to {after} has stayed up for a while",
    "expired": "nothing was heard of it for minutes",
    "source expired": "nothing was heard of it for minutes",
    "avoided": "what was sent over {before} did not arrive",
    "tried again": "what is sent over {after} arrives again",
    "evicted": "the route table is nearly full, and only {before} told of it",
}
# How a neighbour's link failed. Any other cause is told as it is.
_LINK_CAUSES: Final = {"closed": " has closed the link"}


def describe(event: EventInfo) -> str:
    """Returns the text without the time, nodes by their names; for a kind that only a newer daemon knows, its name."""
    words = _WORDS.get(event.kind)
    if words is None:
        return event.kind
    event = _named(event)
    fields = structs.asdict(event)
    chosen = _OPTIONAL.sub(lambda part: part[1] if _is_telling(part[2], fields[part[2]]) else "", words)
    story = _route_story(event) if event.kind == EventKind.ROUTE.value else _link_story(event)
    return chosen.format_map({"story": story} | {name: "none" if one is None else one for name, one in fields.items()})


def _named(event: EventInfo) -> EventInfo:
    nodes = {field: getattr(event, field) for field in ("node", "before", "after")} if event.names else {}
    return structs.replace(event, **{field: event.names.get(one or "", one) for field, one in nodes.items()})


def _is_telling(field: str, value: object) -> bool:
    return bool(value) and (field, value) != ("count", 1)


def _link_story(event: EventInfo) -> str:
    """Tells why a link is suspected, or down: the cause that is known, else for how long the neighbour has not answered."""
    if event.cause in (None, "silent"):
        return " has not answered" + (f" for {event.silent_s:.2f} s" if event.silent_s else "")
    return _LINK_CAUSES.get(event.cause or "", f": {event.cause}")


def _route_story(event: EventInfo) -> str:
    """Tells what became of a route, why, and how long there was none that worked."""
    before, after = _way(event.before, event.node), _way(event.after, event.node)
    why, without = _route_cause(event), f"{event.without_s or 0:.3f} s without a working route"
    if event.before is None:
        return f"found, {after}"
    if event.after is None:
        return f"lost, it led {before}: {why}" + (f"; {without} so far" if event.without_s else "")
    if event.before == event.after:
        return f"is back, {after} as before" + (f", after {without}" if event.without_s else "") + f": {why}"
    return f"now leads {after}, not {before}: {why}" + (f"; {without}" if event.without_s else "")


def _way(next_hop: str | None, node: str | None) -> str:
    return "directly" if next_hop == node else f"via {next_hop}"


def _route_cause(event: EventInfo) -> str:
    cause = event.cause or ""
    names = {"before": event.before, "after": event.after}
    known = {role: "it" if name == event.node else name for role, name in names.items()}
    return _ROUTE_CAUSES.get(cause, cause).format_map(known)
