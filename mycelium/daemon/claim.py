"""The key of a node is one daemon's at a time: a lock on its file keeps a second one from running with it on this host."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mycelium.admin import keyfile
from mycelium.errors import IdentityError
from mycelium.identity import Identity

log = logging.getLogger("mycelium")


@contextmanager
def claimed_identity(path: Path) -> Iterator[Identity]:
    """Reads the key, made anew where there is none, and holds it against a second daemon."""
    identity = keyfile.load_or_create_identity(path)
    with ExitStack() as claims:
        claims.enter_context(_claimed(path))
        if keyfile.add_first_line(path):
            claims.enter_context(_claimed(path))  # another file has taken its place
        yield identity


def is_claimed(path: Path) -> bool:
    """Tells whether a daemon runs with the key in a file; the file may be missing."""
    try:
        with _claimed(path):
            return False
    except IdentityError:
        return True
    except OSError:
        return False


@contextmanager
def _claimed(path: Path) -> Iterator[None]:
    with open(path, "rb") as key_file:
        try:
            fcntl.flock(key_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IdentityError(f"another mycelium is running with the key {path}") from error
        except OSError as error:  # such as a network file system without locks
            log.warning("a second mycelium with the key %s would not be noticed: %s", path, error.strerror)
        yield
