"""How long the super-packets are that the kernel of this host is to hand over: as long as frames may be on the links in use.

Over a slow path longer ones are cut anyway, and lengthen its queue: what TCP sends at once arrives and is acknowledged at once,
and is sent at once again; BBR has as much more in flight, for each stream.
"""

from typing import Final

from mycelium.channel.frame_budget import SHORT_BYTES
from mycelium.limits import GSO_BYTES
from mycelium.link.link import Link
from mycelium.outbox import GsoLimited, Outbox

# Times by which the longest frame must have fallen, or risen: a rate is never measured twice alike.
FALL: Final = 0.7
RISE: Final = 1.5
# Least time between two looks that neighbours cause, who may say anything of their paths: a look takes a fraction of a
# millisecond at a hub, and is followed by a call of the kernel.
SOON_S: Final = 0.1


class SuperPackets:
    """Tells by an event when `longest`, in bytes, changes."""

    __slots__ = ("_links", "_outbox", "_soonest", "longest")

    def __init__(self, links: dict[bytes, Link], outbox: Outbox) -> None:
        self._links = links
        self._outbox = outbox
        self._soonest = 0.0  # when a link may have a look taken again
        self.longest = GSO_BYTES

    def look(self) -> None:
        """Looks at the links that are in use; to be called every second."""
        usual = [link.frames.budget.usual for link in self._links.values() if link.frames.budget.is_used]
        if not usual:
            return
        longest = min(max(SHORT_BYTES, *usual), GSO_BYTES)
        has_risen = longest > self.longest and longest >= min(self.longest * RISE, GSO_BYTES)
        if has_risen or longest < self.longest * FALL:
            self.longest = longest
            self._outbox.events.append(GsoLimited(longest))

    def link_slowed(self, *, now: float) -> None:
        """Looks at the links at once, as one of them has become slow, unless that was a moment ago."""
        if now >= self._soonest:
            self._soonest = now + SOON_S
            self.look()
