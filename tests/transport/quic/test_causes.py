"""Why there is no connection, in words for operators."""

from mycelium.transport.quic import causes


def test_the_missing_library_is_named_and_what_needs_it() -> None:
    assert "qh3" in causes.NO_LIBRARY
    assert "quic://" in causes.NO_LIBRARY
