"""Secrets in files that only their owner may read: the key of a private network and the token of the API."""

import os
import stat
from pathlib import Path
from typing import Final

from mycelium.errors import ConfigError, LocalError

NETWORK_KEY_BYTES: Final = 32

_FOR_OTHERS: Final = 0o077
MAX_BYTES: Final = 1_024  # more than any secret has
_TOKEN_BYTES: Final = range(16, 257)  # shorter tokens could be guessed


def read_network_key(path: Path) -> bytes:
    """Reads a pre-shared key, 32 bytes or 64 hex digits; raises ConfigError if it is invalid or open to other users."""
    data = _read(path)
    if len(data) == NETWORK_KEY_BYTES:
        return data
    try:
        key = bytes.fromhex(data.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != NETWORK_KEY_BYTES:
        raise ConfigError(f"{path}: a network key is {NETWORK_KEY_BYTES} bytes or {2 * NETWORK_KEY_BYTES} hex digits")
    return key


def read_api_token(path: Path) -> str:
    """Reads the token of the API, one line of printable ASCII; raises ConfigError if it is invalid or open to other users."""
    token = _read(path).strip().decode("ascii", errors="replace")
    if len(token) not in _TOKEN_BYTES or not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"{path}: a token is one line of {_TOKEN_BYTES.start} to {_TOKEN_BYTES.stop - 1} ASCII characters"
        )
    return token


def read_private(path: Path, *, name: str, error: type[LocalError]) -> bytes:
    """Reads the first MAX_BYTES of a regular file that only its owner may read; raises `error` with `name` in its text."""
    try:
        # Non-blocking, because opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise error(f"{name} is not a regular file")
            if status.st_mode & _FOR_OTHERS:
                raise error(
                    f"{name} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600 {path}"
                )
            return os.read(descriptor, MAX_BYTES)
        finally:
            os.close(descriptor)
    except OSError as cause:
        raise error(f"cannot read {name}: {cause.strerror}") from None


def _read(path: Path) -> bytes:
    return read_private(path, name=str(path), error=ConfigError)
