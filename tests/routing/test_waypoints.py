"""Waypoints: pins of this node for sessions, and what is near it."""

from mycelium.limits import WAYPOINTS
from mycelium.routing.pins import OWN
from mycelium.routing.waypoints import OF_SESSIONS, SEEN_S
from tests.routing.engines import address, make_engine
from tests.routing.lab import RoutingLab, update


def test_a_pin_of_a_session_ends_with_its_time_and_leaves_that_of_the_home() -> None:
    engine = make_engine(1)
    pins = engine._scope.pins
    pins.pin(engine.node, address(7), OWN)
    assert engine.waypoints.pin(address(7), 10.0, now=0.0)
    assert engine.waypoints.pin(address(8), 12.0, now=0.0)
    assert engine.waypoints.pin(address(7), 14.0, now=4.0)
    assert len(engine.waypoints) == 2
    engine.waypoints.expire(now=13.0)
    assert [pins.by_node[engine.node][home].by for home in (address(7), address(8))] == [OWN | OF_SESSIONS, 0]
    engine.waypoints.expire(now=14.0)
    assert pins.by_node[engine.node][address(7)].by == OWN
    assert len(engine.waypoints) == 0


def test_there_are_so_many_waypoints_at_most() -> None:
    engine = make_engine(1)
    assert all(engine.waypoints.pin(address(2 + number), 10.0, now=0.0) for number in range(WAYPOINTS))
    assert not engine.waypoints.pin(address(1_000), 10.0, now=0.0)
    assert engine.waypoints.pin(address(2), 11.0, now=0.0), "it is there already"


def test_near_are_the_nodes_that_this_one_has_routes_to_without_itself() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(1, 0), update(3, 30))
    lab.says(2, update(2, 0))
    waypoints = lab.engine.waypoints
    assert waypoints.vicinity(now=lab.now) == {address(1): 10, address(2): 10, address(3): 40}
    lab.down(1)
    assert len(waypoints.vicinity(now=lab.now + SEEN_S / 2)) == 3, "a look is good for a while"
    assert waypoints.vicinity(now=lab.now + SEEN_S) == {address(2): 10}
