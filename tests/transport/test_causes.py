"""What operators read of the system's errors."""

import errno

from mycelium.transport.causes import cause_of


def test_an_error_is_told_by_its_meaning_and_the_system_s_words() -> None:
    assert cause_of(errno.EPERM) == "a firewall of this host forbids it (operation not permitted)"
    assert cause_of(errno.ENOBUFS) == "this host can't send there (no buffer space available)"
