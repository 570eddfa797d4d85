"""The queue in front of a full transport or connection: control leaves before data.

Each kind has a bound of its own, so that bulk data neither displaces nor delays what keeps links alive.
"""

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class SendQueue(Generic[Item]):
    """Two bounded FIFO queues, emptied as one."""

    __slots__ = ("_control", "_control_bytes", "_data", "_data_bytes", "_limits")

    def __init__(self, data_limit: int, control_limit: int) -> None:
        self._control: deque[tuple[Item, int]] = deque()
        self._data: deque[tuple[Item, int]] = deque()
        self._control_bytes = 0
        self._data_bytes = 0
        self._limits = data_limit, control_limit  # bytes

    def __bool__(self) -> bool:
        return bool(self._control or self._data)

    @property
    def bytes(self) -> int:
        """The size of all items."""
        return self._control_bytes + self._data_bytes

    def put(self, item: Item, size: int, *, is_bulk: bool) -> bool:
        """Appends an item of `size` bytes; False if its kind has no room left."""
        if is_bulk:
            if self._data_bytes + size > self._limits[0]:
                return False
            self._data.append((item, size))
            self._data_bytes += size
        else:
            if self._control_bytes + size > self._limits[1]:
                return False
            self._control.append((item, size))
            self._control_bytes += size
        return True

    def first(self) -> Item:
        """Returns the next item; raises IndexError if there is none."""
        return (self._control or self._data)[0][0]

    def pop(self) -> Item:
        """Removes and returns the next item."""
        if self._control:
            item, size = self._control.popleft()
            self._control_bytes -= size
        else:
            item, size = self._data.popleft()
            self._data_bytes -= size
        return item
