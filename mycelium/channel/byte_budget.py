"""A bound on the bytes that several owners hold together."""


class ByteBudget:
    """Counts what its owners hold; each asks before it takes more, and adds to `held_bytes` what it takes."""

    __slots__ = ("held_bytes", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held_bytes = 0

    def has_room(self, size: int) -> bool:
        """Tells whether `size` more bytes are within the bound."""
        return self.held_bytes + size <= self.limit
