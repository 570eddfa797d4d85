"""The paths to one neighbour: known, met, validated, chosen, moved, lost. Routing sees one neighbour, whichever is used."""

from collections.abc import Collection, Iterator
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint, Lost, Remote, remote_of
from mycelium.limits import PATHS_PER_LINK
from mycelium.link.causes import KEYS_TOO_OLD
from mycelium.link.path.choice import PathChoice
from mycelium.link.path.liveness import PathState, Role
from mycelium.link.path.path import Path
from mycelium.link.path.rtt import LOADED_WINDOW_S, WINDOW_S

BUSY_BYTES: Final = 10_000  # between two sweeps, a second, both ways: the path in use is probed often
LOADED_BYTES: Final = 125_000  # between two sweeps: such traffic may fill a path
LOADED_FOR_S: Final = 30.0  # how long a path counts as loaded after such traffic: a queue takes as long to drain


class Paths:
    """All paths of a link; `active` is the one in use."""

    __slots__ = (
        "_carried_bytes",
        "_choice",
        "_loaded_until",
        "_next_number",
        "_rx_bytes_before",
        "_tx_bytes_before",
        "active",
        "by_endpoint",
    )

    def __init__(self, endpoint: Endpoint, *, is_narrow: bool = False, now: float) -> None:
        self.by_endpoint: dict[Endpoint, Path] = {}
        self._next_number = 0
        self._choice = PathChoice()
        self._carried_bytes = 0  # in all, at the last sweep
        self._rx_bytes_before = 0  # over paths that are removed
        self._tx_bytes_before = 0
        self._loaded_until = -inf
        self.active = self.add_validated(endpoint, is_narrow=is_narrow, now=now)

    def __iter__(self) -> Iterator[Path]:
        return iter(list(self.by_endpoint.values()))

    def remotes(self) -> set[Endpoint]:
        """Returns the neighbour's addresses, whichever of this host's they are spoken to from."""
        return {path.endpoint.remote for path in self.by_endpoint.values()}

    @property
    def tx_bytes(self) -> int:
        """Bytes sent over all paths, removed ones included."""
        return self._tx_bytes_before + sum(path.tx_bytes for path in self.by_endpoint.values())

    @property
    def rx_bytes(self) -> int:
        """Bytes received over all paths, removed ones included."""
        return self._rx_bytes_before + sum(path.rx_bytes for path in self.by_endpoint.values())

    def is_validated(self, endpoint: Endpoint) -> bool:
        """Tells whether the neighbour has answered from there; long frames are taken only then."""
        path = self.by_endpoint.get(endpoint)
        return path is not None and path.is_validated

    def next_deadline(self) -> float:
        """Returns when a path wants a look."""
        return min(path.next_deadline() for path in self.by_endpoint.values())

    def restart_counters(self) -> None:
        """Starts counting anew: frames are sealed under another keypair from now on."""
        for path in self.by_endpoint.values():
            path.liveness.restart_counters()

    # -- which paths there are -----------------------------------------------------------------------------------------

    def add_validated(self, endpoint: Endpoint, *, is_narrow: bool = False, now: float) -> Path:
        """Returns the path that a handshake with the neighbour has just proved, `is_narrow` if its messages came in parts."""
        path = self.by_endpoint.get(endpoint) or self._add(endpoint, is_narrow=is_narrow, now=now)
        path.is_validated = True
        return path

    def meet(self, endpoint: Endpoint, peer_number: int, *, now: float) -> Path:
        """Returns the path of an authentic frame that arrived from an unknown endpoint: not validated before it has answered.

        If only the local address is new, it is a known path whose source address the kernel has now chosen.
        """
        known = self.by_endpoint.pop(endpoint.remote, None)
        if known is not None:
            known.endpoint = endpoint
            self.by_endpoint[endpoint] = known
            return known
        path = self._add(endpoint, now=now)
        path.peer_number = peer_number
        return path

    def answered(self, path: Path) -> None:
        """Notes that the neighbour has answered over a path, which validates it.

        If the neighbour names it by the number of the path in use, the neighbour's address has changed.
        """
        if not path.is_validated:
            path.is_validated = True
            if self.active.peer_number == path.peer_number and path is not self.active:
                self._remove(self.active)
                self.active = path
        if self.active.liveness.state is not PathState.ALIVE:
            self.active = path

    def _add(self, endpoint: Endpoint, *, is_narrow: bool = False, now: float) -> Path:
        path = Path(self._next_number, endpoint, is_narrow=is_narrow, now=now)
        self._next_number = self._next_number + 1 & 0xFF
        self.by_endpoint[endpoint] = path
        if len(self.by_endpoint) > PATHS_PER_LINK:
            # Paths that are not validated give way first, then those over the worst medium, then the oldest: one over the best
            # that is dead now is what the link goes back to.
            spare = [other for other in self.by_endpoint.values() if other is not path and other is not self.active]
            self._remove(min(spare, key=lambda other: (other.is_validated, -other.medium.preference)))
        return path

    def _remove(self, path: Path) -> None:
        del self.by_endpoint[path.endpoint]
        self._tx_bytes_before += path.tx_bytes
        self._rx_bytes_before += path.rx_bytes

    # -- which one is used ---------------------------------------------------------------------------------------------

    def choose(self, *, now: float) -> None:
        """Changes to a better path if there is one; routing need not know."""
        self.active = self._choice.best(self.active, self.by_endpoint.values(), now=now)

    def probe_spares_if_doubtful(self, *, now: float) -> None:
        """Probes the spare paths while an answer over the one in use is overdue, and leaves one that is not ALIVE.

        So the spare ones have answered, or are in doubt too, by the time the one in use is SUSPECT.
        """
        self.choose(now=now)
        if not self.active.liveness.is_doubtful and self.active.liveness.state is PathState.ALIVE:
            return
        for path in self.by_endpoint.values():
            if path is not self.active and path.is_validated and path.liveness.state is not PathState.DEAD:
                path.liveness.probe_now(now=now)

    def sweep(self, *, now: float) -> None:
        """Removes dead paths that can't come back, and judges how busy the others are; to be called every second."""
        carried_bytes = self.tx_bytes + self.rx_bytes
        new_bytes, self._carried_bytes = carried_bytes - self._carried_bytes, carried_bytes
        if new_bytes > LOADED_BYTES:
            self._loaded_until = now + LOADED_FOR_S
        for path in self:
            is_spent = (
                path.endpoint.connection and path is not self.active
            )  # a closed connection can't be dialled again
            if path.liveness.state is PathState.DEAD and (is_spent or not path.is_validated):
                self._remove(path)
        for path in self.by_endpoint.values():
            is_active = path is self.active
            path.rtt.window_s = LOADED_WINDOW_S if is_active and now < self._loaded_until else WINDOW_S
            used = Role.BUSY if new_bytes > BUSY_BYTES else Role.SELECTED
            path.liveness.set_role(used if is_active else Role.SPARE)

    # -- what this host's network does ---------------------------------------------------------------------------------

    def network_changed(self, *, now: float) -> None:
        """Probes every path and its datagram size anew, from whichever address the kernel chooses: old ones may be gone."""
        paths = sorted(self.by_endpoint.values(), key=lambda path: path is self.active)
        self.by_endpoint.clear()
        for path in paths:
            path.endpoint = path.endpoint.remote
            twin = self.by_endpoint.get(path.endpoint)
            if twin is not None:
                self._remove(twin)
            self.by_endpoint[path.endpoint] = path
        for path in self.by_endpoint.values():
            path.mtu.reset(now=now)
            path.liveness.probe_now(now=now)

    def reported_unreachable(self, remotes: Collection[Remote], *, now: float) -> bool:
        """Takes whom ICMP errors are about; tells whether one of the neighbour's addresses is among them.

        Anybody can forge one: it only starts probes.
        """
        paths = [path for path in self.by_endpoint.values() if remote_of(path.endpoint) in remotes]
        for path in paths:
            path.liveness.reported_unreachable(now=now)
        return bool(paths)

    def keys_lost(self, cause: str = KEYS_TOO_OLD, *, now: float) -> None:
        """Leaves all paths: nothing can be sent over any before another handshake."""
        for path in self:
            path.liveness.lose(cause, now=now)

    def host_lost(self, lost: Lost, *, now: float) -> None:
        """Leaves the paths that this host can no longer send over, and probes the others.

        If the path in use is among them, the nearest other one takes over before anything is missed.
        """
        for path in self:
            if lost.affects(path.endpoint):
                path.probes.clear()
                path.liveness.lose(lost.cause, now=now)
                self._forget_source(path)
            elif lost.endpoint is None:
                path.liveness.probe_now(now=now)
        self.choose(now=now)

    def host_gained(self, *, now: float) -> None:
        """Probes the lost paths again: this host has a new address, route or carrier to send over."""
        for path in self.by_endpoint.values():
            path.liveness.retry(now=now)

    def _forget_source(self, path: Path) -> None:
        """Has the kernel choose the source address again: the one used so far may be gone."""
        if path.endpoint.remote not in self.by_endpoint:
            del self.by_endpoint[path.endpoint]
            path.endpoint = path.endpoint.remote
            self.by_endpoint[path.endpoint] = path
