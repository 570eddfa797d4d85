"""The kinds of events in a node's journal; one line defines all of a kind."""

from enum import Enum
from typing import Literal

Level = Literal["DEBUG", "INFO", "WARNING"]


class EventKind(Enum):
    """Name in the API, level in the log, and words.

    Words name fields of `journal.Entry` in braces. A part in square brackets is left out where its field says nothing.
    """

    level: Level
    words: str

    LINK_UP = "link-up", "INFO", "link up: {node} at {after}"
    LINK_SUSPECT = "link-suspect", "INFO", "link suspect: {node}, silent for {silent_s:.2f} s"
    LINK_TRUSTED = "link-trusted", "INFO", "link trusted again: {node}"
    LINK_DOWN = "link-down", "INFO", "link down: {node}, {cause}[ for {silent_s:.2f} s]"
    LINK_RESTARTED = "link-restarted", "INFO", "link restarted: {node}"
    LINK_KEYS = "link-keys", "DEBUG", "link keys renewed: {node}"
    LINK_MOVED = "link-moved", "INFO", "link moved: {node} from {before} to {after}"
    PEER_FAILED = "peer-failed", "WARNING", "peer {peer}: {cause}[, {count} times in a row]"
    SESSION_RENEWED = "session-renewed", "DEBUG", "session renewed: {node}"
    ROUTE = "route", "DEBUG", "route to {node}: {before} -> {after}, {cause}[, {without_s:.3f} s without]"
    ROUTES = "routes", "DEBUG", "routes: {count} more changes"

    def __new__(cls, name: str, level: Level, words: str) -> "EventKind":
        kind = object.__new__(cls)
        kind._value_ = name
        kind.level = level
        kind.words = words
        return kind
