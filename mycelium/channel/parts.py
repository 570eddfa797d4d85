"""Bytes of a known length that arrive in parts of one size, in any order."""


class Parts:
    """What has come. The owner checks numbers and lengths of parts; the first of each counts."""

    __slots__ = ("_data", "_part_bytes", "arrived", "size")

    def __init__(self, size: int, part_bytes: int) -> None:
        self.size = size
        self.arrived = 0  # a bit for each part
        self._part_bytes = part_bytes
        self._data = bytearray()  # until the first part

    @property
    def whole(self) -> bytes | None:
        """The bytes, once all parts have come."""
        count = -(-self.size // self._part_bytes)
        return bytes(self._data) if self.arrived == (1 << count) - 1 else None

    def take(self, number: int, data: bytes) -> bytes | None:
        """Takes a part; returns all bytes with the last one."""
        bit = 1 << number
        if self.arrived & bit:
            return None
        if not self.arrived:
            self._data = bytearray(self.size)
        self.arrived |= bit
        start = number * self._part_bytes
        self._data[start : start + len(data)] = data
        return self.whole
