"""Whether a shortcut is still needed."""

from typing import Final

from mycelium.link.link import Link

IDLE_S: Final = 60.0  # without traffic between its ends
IDLE_BYTES: Final = (
    60_000  # that a link carries in this time at most where it only keeps itself alive, and tells routes
)
UNUSED_S: Final = 60.0  # in which routing prefers other ways although there is traffic

IDLE: Final = "no traffic for a minute"
UNUSED: Final = "other ways are shorter"


class ShortcutUse:
    """What one shortcut was used for."""

    __slots__ = ("_bytes", "_idle_since", "_unused_since")

    def __init__(self, *, now: float) -> None:
        self._bytes = 0  # over the link, when it became idle
        self._idle_since = now
        self._unused_since: float = now

    def judge(self, link: Link, *, has_traffic: bool, is_used: bool, now: float) -> str | None:
        """Takes a look at the link, and returns why it is to be closed; None if it is needed.

        `has_traffic` tells of packets between both ends, `is_used` whether they take the link. It may also
        relay those of others.
        """
        carried = link.paths.tx_bytes + link.paths.rx_bytes
        if has_traffic or carried - self._bytes > IDLE_BYTES:
            self._idle_since, self._bytes = now, carried
        if is_used:
            self._unused_since = now
        if now - self._idle_since >= IDLE_S:
            return IDLE
        return UNUSED if now - self._unused_since >= UNUSED_S else None
