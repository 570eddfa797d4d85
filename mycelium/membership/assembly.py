"""What a neighbour states, put together from pieces. They arrive in order, so only what is next can be one."""

from mycelium.wire.membership import MemberPiece


class Assembly:
    """The beginning of one statement: at most STATEMENT_BYTES, as no longer one has pieces."""

    __slots__ = ("_data", "_kind", "_total")

    def __init__(self) -> None:
        self._data = bytearray()
        self._kind = self._total = 0

    @property
    def is_empty(self) -> bool:
        """Tells whether nothing is under way."""
        return not self._data

    def add(self, piece: MemberPiece) -> bytes | None:
        """Takes a piece, and returns the whole with the last one. One that does not follow ends what there is."""
        if piece.offset == 0:
            self._data = bytearray()
            self._kind, self._total = piece.kind, piece.total
        if (piece.kind, piece.total, piece.offset) != (self._kind, self._total, len(self._data)):
            self._data = bytearray()
            self._kind = self._total = 0
            return None
        self._data += piece.data
        if len(self._data) < self._total:
            return None
        whole, self._data = bytes(self._data), bytearray()
        return whole
