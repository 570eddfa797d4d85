"""Which earlier frame a data frame names: the nearest that may carry one of its flows."""

from mycelium.link.repair.flow_order import FlowOrder
from tests.link.repair.support import frame_of


def test_distances_lead_back_to_the_last_frame_of_the_same_flow() -> None:
    order = FlowOrder()
    flows = [(7,), (8,), (7,), (9,), (8, 7), (7, 7)]
    distances = [order.distance(counter, frame_of(*flow)) for counter, flow in enumerate(flows, 10)]
    assert distances == [0, 0, 2, 0, 2, 1]


def test_a_distance_that_does_not_fit_is_none_and_new_keys_begin_afresh() -> None:
    order = FlowOrder()
    order.distance(1, frame_of(1))
    assert order.distance(1 + 0x1_0000, frame_of(1)) == 0
    assert order.distance(1 + 0x1_FFFF, frame_of(1)) == 0xFFFF
    order.restart()
    assert order.distance(2, frame_of(1)) == 0


def test_flows_are_found_behind_trains_of_any_length() -> None:
    order = FlowOrder()
    first = bytearray(frame_of(3)) + bytes(500)
    first[8 + 5 : 8 + 8] = (500).to_bytes(3, "big")
    both = memoryview(first + bytearray(frame_of(4))[8:])
    order.distance(1, frame_of(4))
    assert order.distance(2, both) == 1
    assert order.distance(3, frame_of(3)) == 1
    assert order.distance(4, frame_of(0)) == 0, "what lies in a train is no header"


def test_each_train_of_a_frame_counts_wherever_it_lies() -> None:
    order = FlowOrder()
    order.distance(1, frame_of(5))
    assert order.distance(2, frame_of(3, 4, 5)) == 1
    assert order.distance(3, frame_of(9, 5)) == 1
    assert order.distance(4, frame_of(6, 7)) == 0


def test_a_frame_too_short_for_a_train_names_none() -> None:
    order = FlowOrder()
    order.distance(1, frame_of(0))
    assert order.distance(2, frame_of(0)[:-1]) == 0
    assert order.distance(3, frame_of(0)) == 2, "and is no frame of any flow"
