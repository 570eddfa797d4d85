"""A node whose table is full, and landmarks around it."""

from msgspec.structs import replace

from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.control import Update
from mycelium.wire.distance import distance
from tests.routing.engines import QUICK, address, announcement
from tests.routing.lab import RoutingLab, seq, update

SMALL = replace(
    QUICK, scope=4, landmark_after_s=100.0, landmark_wait_s=1.0, landmark_surplus_s=50.0, landmark_least_s=200.0
)
ONE, OTHER, THIRD = 60, 61, 62  # landmarks


def full_lab(parameters: RoutingParameters = SMALL) -> RoutingLab:
    """Returns node 0, whose scope is full, and which has two links."""
    lab = RoutingLab(parameters)
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(8)))
    lab.flush()
    return lab


def landmark(name: int, metric: int) -> Update:
    """Returns an update about a landmark."""
    return Update(address(name), distance(seq(), metric), announcement(name, seq(), flags=LANDMARK))
