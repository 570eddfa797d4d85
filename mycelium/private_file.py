"""Secrets that the operator puts on disk: the key of a private network, the token of the API. Others must not read them."""

import os
import stat
from pathlib import Path
from typing import Final

from mycelium.errors import ConfigError

NETWORK_KEY_BYTES: Final = 32

_FOR_OTHERS: Final = 0o077
_MOST_BYTES: Final = 1_024
_TOKEN_BYTES: Final = range(16, 257)  # shorter ones can be guessed


def read_network_key(path: Path) -> bytes:
    """Reads a pre-shared key, 32 bytes or 64 hex digits; raises ConfigError where it is none or others may read it."""
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
    """Reads the token of the API, one line of printable ASCII; raises ConfigError where it is none or others may read it."""
    token = _read(path).strip().decode("ascii", errors="replace")
    if len(token) not in _TOKEN_BYTES or not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"{path}: a token is one line of {_TOKEN_BYTES.start} to {_TOKEN_BYTES.stop - 1} ASCII characters"
        )
    return token


def _read(path: Path) -> bytes:
    try:
        # A FIFO in its place must not make the start wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path}: not a regular file")
            if status.st_mode & _FOR_OTHERS:
                raise ConfigError(
                    f"{path}: others may read it (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600 {path}"
                )
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
