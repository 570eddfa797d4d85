"""What all links of a node hold so that losses can be repaired: frames kept to be sent again, frames that wait for others."""


class RepairBudget:
    """Bytes held by all links together; each link looks here before it takes more."""

    __slots__ = ("held_bytes", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held_bytes = 0

    def has_room(self, size: int) -> bool:
        """Tells whether `size` bytes more are within the bound."""
        return self.held_bytes + size <= self.limit
