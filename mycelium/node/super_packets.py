"""How long the super-packets are that the kernel of this host is to hand over: as long as frames may be on the links in use.

Over a slow path longer ones are cut anyway, and lengthen its queue: what TCP sends at once arrives and is acknowledged at once,
and is sent at once again; BBR has as much more in flight, for each stream.
"""

from typing import Final

from mycelium.channel.frame_budget import SHORT_BYTES
from mycelium.limits import GSO_BYTES
from mycelium.link.frames import Frames
from mycelium.link.link import Link
from mycelium.outbox import GsoLimited, Outbox

USED_DATAGRAMS: Final = 64  # sent between two looks: a link that sends fewer decides nothing
# Times by which the longest frame must have fallen, or risen: a rate is never measured twice alike.
FALL: Final = 0.7
RISE: Final = 1.5


class SuperPackets:
    """Tells by an event when `longest`, in bytes, changes."""

    __slots__ = ("_links", "_outbox", "_sent", "longest")

    def __init__(self, links: dict[bytes, Link], outbox: Outbox) -> None:
        self._links = links
        self._outbox = outbox
        self._sent: dict[Frames, int] = {}  # datagrams at the last look
        self.longest = GSO_BYTES

    def look(self) -> None:
        """Looks at what was sent over each link; to be called every second."""
        sent = {link.frames: link.frames.budget.sent_datagrams for link in self._links.values()}
        before, self._sent = self._sent, sent
        used = [frames for frames, count in sent.items() if count - before.get(frames, count) >= USED_DATAGRAMS]
        if not used:
            return
        longest = min(max(SHORT_BYTES, *(frames.budget.usual for frames in used)), GSO_BYTES)
        has_risen = longest > self.longest and longest >= min(self.longest * RISE, GSO_BYTES)
        if has_risen or longest < self.longest * FALL:
            self.longest = longest
            self._outbox.events.append(GsoLimited(longest))
