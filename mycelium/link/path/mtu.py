"""The size of the datagrams that a path carries, found by padded probes (RFC 8899).

A size is used as soon as a probe of it was answered, and given up after TRIES unanswered ones. The order of the search tries
the usual sizes first; what is not between the largest confirmed and the smallest failed size is skipped.

A size that passed once may stop passing while small datagrams still do, and no error tells of it: a black hole (RFC 8899,
section 4.3). So `verify` has it proved again where frames are lost, beside the search. TCP doubles its wait when what it sends
again is lost too, so shorter datagrams are used soon, until the proof: behind the first probes shorter ones are sent, and where
these are answered alone, the longest of them is the size. VERIFY_TRIES unanswered probes give the doubted size up. Ordinary
loss asks for proofs all the time, so there are more tries than of a search: on a path that loses a tenth each way, all of them
are lost once in a day. What may have been such an accident is tried again soon.

DATAGRAM_FLOOR passes nearly everywhere, so a path is taken to carry it. Over IPv4 it need not: there a path falls back to
NARROW_DATAGRAM, and starts with it where the handshake came in parts.
"""

from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.limits import DATAGRAM_CEILING, DATAGRAM_FLOOR, NARROW_DATAGRAM

SEARCH_ORDER: Final = (
    1_452,  # Ethernet, IPv6
    1_472,  # Ethernet, IPv4
    8_952,  # jumbo frames of 9,000, IPv6
    4_052,  # cloud networks of about 4,100
    1_372,  # tunnels of 1,420, IPv6
    1_392,  # tunnels of 1,420, IPv4
    1_432,  # tunnels of 1,480, IPv6
    1_444,  # PPPoE, IPv6
    1_464,  # PPPoE, IPv4
)
NARROW_SIZES: Final = (972,)  # tried last, of what is narrower than IPv6 allows: an MTU of 1,000
TRIES: Final = 3
_NONE_FAILED: Final = DATAGRAM_CEILING + 1  # bytes: longer than whatever is tried
_CANDIDATES: Final = (DATAGRAM_FLOOR, *SEARCH_ORDER, *NARROW_SIZES)
PROBE_TIMEOUT_S: Final = 0.5  # a later answer counts all the same
VERIFY_TRIES: Final = 7
VERIFY_TIMEOUT_S: Final = 0.12  # the least: all tries together outlast a process that gets no processor for a moment
EARLY_TRIES: Final = 2  # tries of a verification that shorter probes go with
OVERTAKEN_SHARE: Final = 8  # of a try's timeout, the part that a long probe may arrive later than a short one behind it
VERIFY_INTERVAL_S: Final = 1.0  # least time from a proof to the next verification
URGENT_INTERVAL_S: Final = 0.1  # the same where a burst has vanished, which waits for it
SEARCH_AGAIN_S: Final = 600.0
SEARCH_SOON_S: Final = 2.0  # the same after a size was given up; then twice as long each time


def least_size(endpoint: Endpoint) -> int:
    """Returns the datagram that every path to an endpoint carries, in bytes."""
    return NARROW_DATAGRAM if endpoint.scheme == "udp" and "." in endpoint.host else DATAGRAM_FLOOR


class PathMtu:
    """Finds one path's datagram size; `size` is the payload in bytes that may be used now, never less than `least`.
    From `deadline` on, `probe_to_send` may have something to send.

    `fixed_size` is what every path of a medium carries, where that is known: nothing is probed then. A path that `is_narrow`
    is not taken to carry more than `least` before that is proved.
    """

    __slots__ = (
        "_again_s",
        "_carried",
        "_doubted",
        "_failed",
        "_fixed_size",
        "_is_verifying",
        "_probed",
        "_search_at",
        "_tries",
        "_verified_at",
        "_verify_timeout_s",
        "_verify_tries",
        "deadline",
        "least",
        "size",
    )

    def __init__(
        self,
        *,
        fixed_size: int | None = None,
        least: int = DATAGRAM_FLOOR,
        is_narrow: bool = False,
        now: float,
    ) -> None:
        self._fixed_size = fixed_size
        self.least = least
        self.size = least if is_narrow else DATAGRAM_FLOOR
        self._failed: int  # the smallest size that failed
        self._probed: int | None  # the size that is tried; None between searches
        self._again_s = SEARCH_AGAIN_S
        self._is_verifying: bool
        self._doubted: int  # the size that is being proved again
        self._carried: int  # the longest of the shorter probes that were answered meanwhile
        self._verify_tries: int
        self._verify_timeout_s: float
        self.reset(now=now)

    def reset(self, *, now: float) -> None:
        """Starts over: datagrams leave for, or from, another address."""
        self._verified_at = now  # when the size was proved last
        if self._fixed_size is not None:
            self.size, self.deadline = self._fixed_size, inf
            return
        self.size = min(self.size, DATAGRAM_FLOOR)
        self._search(_NONE_FAILED, now=now)

    def probe_to_send(self, *, now: float) -> int | None:
        """Returns the size of the probe that is due, which counts as sent, or None."""
        if now < self.deadline:
            return None
        if self._is_verifying and self._verify_tries < VERIFY_TRIES:
            self.size = self._carried or self.size
            self._verify_tries += 1
            self.deadline = now + self._verify_timeout_s
            return self._doubted
        if self._is_verifying:
            self._again_s = SEARCH_SOON_S
            self._give_up(self._doubted, now=now)
        elif self._probed is None:
            self._again_s = min(2 * self._again_s, SEARCH_AGAIN_S)
            self._search(_NONE_FAILED, now=now)
        elif self._tries == TRIES:
            self._give_up(self._probed, now=now)
        if self._probed is not None:
            self._tries += 1
            self._search_at = self.deadline = now + PROBE_TIMEOUT_S
        return self._probed

    def sizes_behind(self) -> tuple[int, ...]:
        """Returns the sizes of further probes that are to follow the one that `probe_to_send` has just asked for."""
        if not self._is_verifying or self._verify_tries > EARLY_TRIES:
            return ()
        return tuple(size for size in dict.fromkeys((DATAGRAM_FLOOR, self.least)) if size < self._doubted)

    def put_off(self, until: float, *, now: float) -> None:
        """Puts off what is due: short probes are not answered either, so the loss of a long one would tell nothing."""
        if now >= self.deadline:
            self.deadline = until

    def acknowledged(self, size: int, *, now: float) -> None:
        """Takes the answer to a probe of `size`, however late."""
        if self._is_verifying and size < self._doubted:
            self._carried = max(self._carried, size)
            if self._verify_tries <= EARLY_TRIES:
                self.deadline = min(self.deadline, now + self._verify_timeout_s / OVERTAKEN_SHARE)
        elif size >= self.size:
            self.size, self._verified_at = size, now
            self._is_verifying = False
            self.deadline = self._search_at
        if size >= self._failed:  # nothing has failed: the path is only slow
            self._search(_NONE_FAILED, now=now)
        elif self._probed is not None and size >= self._probed:
            self._search(self._failed, now=now)

    def refused(self, size: int, *, now: float) -> None:
        """Takes the kernel's word that `size` is too long to leave this host (EMSGSIZE)."""
        if size > self.least and self._fixed_size is None:
            self._give_up(size, now=now)

    def verify(self, *, pto_s: float, is_urgent: bool = False, now: float) -> None:
        """Has the size proved again: frames are lost, perhaps all of the long ones. `pto_s` is the path's probe timeout."""
        if self.size == self.least or self._fixed_size is not None or self._is_verifying:
            return
        due = self._verified_at + (URGENT_INTERVAL_S if is_urgent else VERIFY_INTERVAL_S)
        if is_urgent or now >= due:
            self._is_verifying = True
            self._doubted, self._carried = self.size, 0
            self._verify_tries = 0
            self._verify_timeout_s = max(VERIFY_TIMEOUT_S, pto_s)
            self.deadline = max(now, due)

    def _give_up(self, size: int, *, now: float) -> None:
        if size <= self.size:
            self.size = self.least
        self._search(min(self._failed, size), now=now)

    def _search(self, failed: int, *, now: float) -> None:
        self._failed = failed
        self._is_verifying = False
        self._tries = 0
        self._probed = next((size for size in _CANDIDATES if self.size < size < failed), None)
        self._search_at = self.deadline = now + self._again_s if self._probed is None else now
