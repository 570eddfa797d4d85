from mycelium.channel.byte_budget import ByteBudget


def test_there_is_room_up_to_the_limit_for_all_owners_together() -> None:
    budget = ByteBudget(100)
    assert budget.has_room(100)
    assert not budget.has_room(101)
    budget.held_bytes += 60
    assert budget.has_room(40)
    assert not budget.has_room(41)
