"""What nodes send during a part of a run, each for itself, and by kind of message."""

from statistics import fmean
from typing import Any

from ..net.kinds import KindCount
from ..net.mesh import Mesh
from ..quantiles import quantiles


class SentWatch:
    """Measures from its creation on. What whole nodes send is sealed, and has no kinds."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._begun = mesh.now
        self._sent = {node: mesh.bytes_sent(node) for node in mesh.epochs}
        self._kinds = mesh.kinds = KindCount()

    def end(self) -> dict[str, Any]:
        """Ends the measurement and returns it, in bytes per second of one node; mean and kinds are of all nodes."""
        mesh = self._mesh
        mesh.kinds = None
        s = mesh.now - self._begun
        rates = [(mesh.bytes_sent(node) - self._sent.get(node, 0)) / s for node in mesh.epochs]
        found = quantiles(rates)
        assert found is not None
        kinds = sorted(self._kinds.sent.items(), key=lambda kind: -kind[1])
        return {
            "s": s,
            "mean": round(fmean(rates), 2),
            "p99": round(found.p99, 1),
            "max": round(found.max, 1),
            "kinds": {kind: round(sent / len(rates) / s, 2) for kind, sent in kinds},
        }
