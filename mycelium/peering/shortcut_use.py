"""Whether a shortcut is still needed."""

from typing import Final

from mycelium.link.link import Link

IDLE_S: Final = 60.0  # how long a shortcut stays without being of use
# the most that a link without users' traffic carries within IDLE_S, by its keepalives and routing
IDLE_BYTES: Final = 60_000

IDLE: Final = "no traffic for a minute"
UNUSED: Final = "other ways are shorter"


class ShortcutUse:
    """When one shortcut was of use last."""

    __slots__ = ("_bytes", "_used_at")

    def __init__(self, *, now: float) -> None:
        self._bytes = 0  # over the link, when it was of use last
        self._used_at = now

    def judge(self, link: Link, *, has_traffic: bool, is_used: bool, now: float) -> str | None:
        """Takes a look at the link, and returns why it is to be closed; None if it is needed.

        `has_traffic` tells of packets between both ends, `is_used` whether this end sends them over the link. It may also carry
        those of the far end alone, or of others.
        """
        carried = link.paths.tx_bytes + link.paths.rx_bytes
        if (has_traffic and is_used) or carried - self._bytes > IDLE_BYTES:
            self._used_at, self._bytes = now, carried
        if now - self._used_at < IDLE_S:
            return None
        return UNUSED if has_traffic else IDLE
