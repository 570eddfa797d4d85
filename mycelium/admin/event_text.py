"""Events in words: one line each, for the log and the command line."""

from collections.abc import Callable
from typing import Final

from mycelium.admin.control import EventInfo


def describe(event: EventInfo) -> str:
    """Returns what happened, without the time."""
    write = _TEXTS.get(event.kind)
    return event.kind if write is None else write(event)


def _link_down(event: EventInfo) -> str:
    return f"link down: {event.node}, {event.cause}" + (f" for {event.silent_s:.2f} s" if event.silent_s else "")


def _peer_failed(event: EventInfo) -> str:
    return f"peer {event.peer}: {event.cause}" + (f", {event.count} times in a row" if event.count > 1 else "")


def _route(event: EventInfo) -> str:
    hops = f"route to {event.node}: {event.before or 'none'} -> {event.after or 'none'}, {event.cause}"
    return hops if event.without_s is None else f"{hops}, {event.without_s:.3f} s without"


_TEXTS: Final[dict[str, Callable[[EventInfo], str]]] = {
    "link-up": lambda event: f"link up: {event.node} at {event.after}",
    "link-suspect": lambda event: f"link suspect: {event.node}, silent for {event.silent_s or 0:.2f} s",
    "link-trusted": lambda event: f"link trusted again: {event.node}",
    "link-down": _link_down,
    "link-restarted": lambda event: f"link restarted: {event.node}",
    "link-keys": lambda event: f"link keys renewed: {event.node}",
    "link-moved": lambda event: f"link moved: {event.node} from {event.before} to {event.after}",
    "peer-failed": _peer_failed,
    "session-renewed": lambda event: f"session renewed: {event.node}",
    "route": _route,
    "routes": lambda event: f"routes: {event.count} more changes",
}
