from mycelium.wire.distance import INFINITY
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, retraction, seq, update


def test_every_finite_route_is_shown_in_the_order_of_nodes_and_slots() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(9, 50), update(8, 10))
    lab.says(2, update(9, 40, 1))
    lab.says(3, update(9, 30), retraction(9))
    routes = [*lab.engine.selected_routes(), *lab.engine.fallback_routes()]
    shown = sorted((route.node, route.neighbour, route.metric, route.advertised, route.sequence) for route in routes)
    assert shown == [
        (address(8), address(1), 20, 10, seq()),
        (address(9), address(1), 60, 50, seq()),
        (address(9), address(2), 50, 40, seq(1)),
    ]


def test_a_route_is_marked_as_selected_and_as_feasible() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(9, 50))
    lab.flush()
    lab.says(2, update(9, 60))
    (selected,), (fallback,) = lab.engine.selected_routes(), lab.engine.fallback_routes()
    assert (selected.neighbour, selected.is_feasible, selected.is_selected) == (address(1), True, True)
    assert (fallback.neighbour, fallback.is_feasible, fallback.is_selected) == (address(2), False, False)


def test_a_route_through_a_suspected_neighbour_costs_infinity() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(9, 50))
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    (route,) = lab.engine.fallback_routes()
    assert (route.metric, route.advertised) == (INFINITY, 50)
