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


class SuperPackets:
    """Tells by an event when `longest`, in bytes, changes."""

    __slots__ = ("_links", "_outbox", "longest")

    def __init__(self, links: dict[bytes, Link], outbox: Outbox) -> None:
        self._links = links
        self._outbox = outbox
        self.longest = GSO_BYTES

    def look(self) -> None:
        """Looks at the links that are in use; to be called every second, and when one of them has become slow."""
        usual = [link.frames.budget.usual for link in self._links.values() if link.frames.budget.is_used]
        if not usual:
            return
        longest = min(max(SHORT_BYTES, *usual), GSO_BYTES)
        has_risen = longest > self.longest and longest >= min(self.longest * RISE, GSO_BYTES)
        if has_risen or longest < self.longest * FALL:
            self.longest = longest
            self._outbox.events.append(GsoLimited(longest))
