"""Why a QUIC connection did not open or has ended, in words for operators."""

from typing import Final

NO_LIBRARY: Final = "quic:// needs the Python package qh3, which is not installed"
NOT_OPENED: Final = "no answer (nothing is there, or UDP is blocked on the way)"
CLOSED: Final = "it has closed the connection (no mycelium, or one that does not want this node)"
SILENT: Final = "it does not answer any more"
OTHER_PROTOCOL: Final = "it speaks another protocol"
TOO_MANY: Final = "this node has too many connections"
TOO_LONG: Final = "the interface towards it does not carry 1,280 bytes, which QUIC needs"
