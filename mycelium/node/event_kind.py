"""The kinds of events in a node's journal; one line defines all of a kind."""

from enum import Enum
from typing import Literal

Level = Literal["DEBUG", "INFO", "WARNING"]


class EventKind(Enum):
    """Name in the API, level in the log, and words.

    Words name fields of `journal.Entry` in braces. A part in square brackets is left out where its field says nothing. What
    depends on several fields is the `{story}`, which `admin.event_text` tells.
    """

    level: Level
    words: str

    LINK_UP = "link-up", "INFO", "link up: {node} answers at {after}"
    LINK_SUSPECT = "link-suspect", "INFO", "link suspect: {node}{story}"
    LINK_TRUSTED = "link-trusted", "INFO", "link trusted again: {node} answers"
    LINK_DOWN = "link-down", "INFO", "link down: {node}{story}"
    LINK_RESTARTED = (
        "link-restarted",
        "INFO",
        "link reset: {node} has forgotten what it was told, as after a restart or an outage, and is told again",
    )
    LINK_KEYS = "link-keys", "DEBUG", "link keys renewed with {node}"
    LINK_MOVED = "link-moved", "INFO", "link moved: {node} is reached at {after}, no longer at {before}"
    PEER_FAILED = "peer-failed", "WARNING", "peer {peer}[ at {endpoint}]: {cause}[, {count} times in a row]"
    KEY_SHARED = "key-shared", "WARNING", "another host runs with this node's key: {cause}"
    KEY_ALONE = "key-alone", "INFO", "the other host with this node's key is gone"
    NEIGHBOUR_KEY_SHARED = "neighbour-key-shared", "WARNING", "two hosts run with the key of {node}: {cause}"
    NEIGHBOUR_EXCESSIVE = "neighbour-excessive", "WARNING", "{node} asks too much of this node: {cause}"
    STRANGERS_EXCESSIVE = "strangers-excessive", "WARNING", "strangers ask too much of this node: {cause}"
    SESSION_RENEWED = "session-renewed", "DEBUG", "session renewed: new end-to-end keys with {node}"
    SESSION_REFUSED = "session-refused", "WARNING", "keys of a session with {node} are not used: {cause}"
    ROUTE_AVOIDED = "route-avoided", "INFO", "{node} does not answer what is sent to it over {after}: {cause}"
    ROUTE_TRUSTED = "route-trusted", "INFO", "{node} answers again what is sent to it over {after}"
    NEIGHBOUR_AVOIDED = (
        "neighbour-avoided",
        "WARNING",
        "{node} seems to drop what it should forward: {count} nodes beyond it, the most, do not answer; other ways come first",
    )
    OUTSIDE = "outside", "INFO", "neighbours see this node at {after} (NAT mapping: {cause})"
    SHORTCUT_OPENED = "shortcut-opened", "INFO", "shortcut opened: packets to and from {node} pass no relay any more"
    SHORTCUT_FAILED = "shortcut-failed", "INFO", "no shortcut to {node}, whose packets still pass relays: {cause}"
    SHORTCUT_CLOSED = "shortcut-closed", "INFO", "shortcut to {node} closed: {cause}"
    AUTO_PEER = "auto-peer", "INFO", "automatic peer: {node} at {after}[ given up: {cause}]"
    LEASE_GIVEN = (
        "lease-given",
        "INFO",
        "lease given: the kernel passes on between {node} and {after} what they send to port {count}",
    )
    LEASE_OVER = "lease-over", "INFO", "lease over: of {node} and {after}: {cause}"
    LEASE_USED = (
        "lease-used",
        "INFO",
        "link with {node} across a leased port of {after}, whose kernel passes packets on",
    )
    LEASE_NONE = "lease-none", "INFO", "no lease of a port of {after} for a link with {node}: {cause}"
    JOINED = "joined", "INFO", "{node} joins by an invitation, from {after}"
    JOIN_REFUSED = "join-refused", "WARNING", "{node} can't join, from {after}: {cause}"
    MEMBER_REFUSED = "member-refused", "WARNING", "{node} is not let in: {cause}"
    MORE = "more", "INFO", "events: {count} more[ about {node}][ about {peer}], not listed one by one"
    ROUTE = "route", "DEBUG", "route to {node} {story}"
    ROUTES = "routes", "DEBUG", "routes: {count} more, not listed one by one"

    def __new__(cls, name: str, level: Level, words: str) -> "EventKind":
        kind = object.__new__(cls)
        kind._value_ = name
        kind.level = level
        kind.words = words
        return kind
