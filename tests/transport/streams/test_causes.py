"""Errors of the system in words for operators."""

import errno

import pytest

from mycelium.transport.streams.causes import NOT_CONNECTED, connect_failed


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "connect"), "nothing listens there (connection refused)"),
        (OSError(errno.ETIMEDOUT, "connect"), NOT_CONNECTED),
        (OSError(errno.ENETUNREACH, "connect"), "this host has no route to it"),
        (OSError(errno.EPERM, "connect"), "a firewall of this host forbids it"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (OSError(errno.EINVAL, "not a numeric address"), "not a numeric address"),
        (OSError(errno.EADDRNOTAVAIL, "connect"), "this host has no address or port left to connect from"),
        (OSError(errno.ENETDOWN, "connect"), "the interface towards it is down"),
    ],
)
def test_each_error_has_its_words(error: OSError, words: str) -> None:
    assert connect_failed(error) == words
