"""Events as one line of text each, for the log and the command line."""

import re
from typing import Final

from msgspec import structs

from mycelium.admin.control import EventInfo
from mycelium.node.event_kind import EventKind

_WORDS: Final = {kind.value: kind.words for kind in EventKind}
_OPTIONAL: Final = re.compile(r"\[(.*?{(\w+).*?)\]")  # groups: the part without its brackets, its field


def describe(event: EventInfo) -> str:
    """Returns the text without the time; for a kind that only a newer daemon knows, its name."""
    words = _WORDS.get(event.kind)
    if words is None:
        return event.kind
    fields = structs.asdict(event)
    chosen = _OPTIONAL.sub(lambda part: part[1] if _is_telling(part[2], fields[part[2]]) else "", words)
    return chosen.format_map({name: "none" if value is None else value for name, value in fields.items()})


def _is_telling(field: str, value: object) -> bool:
    return bool(value) and (field, value) != ("count", 1)
