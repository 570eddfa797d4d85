"""Why a QUIC connection did not open or has ended, in words for operators."""

from typing import Final

NO_LIBRARY: Final = "quic:// needs the Python package qh3, which is not installed"
NOT_OPENED: Final = "no answer (nothing is there, or UDP is blocked on the way)"
SILENT: Final = "it does not answer any more"
TOO_LONG: Final = "the interface towards it does not carry 1,280 bytes, which QUIC needs"
