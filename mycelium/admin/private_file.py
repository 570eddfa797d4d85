"""Files that only their owner may read: how they are read and written, the key of a private network, the token of the API."""

import os
from pathlib import Path
from typing import Final

from mycelium.admin.secret_format import (
    SECRET_BYTES,
    SecretKind,
    decode_secret,
    encode_secret,
    explain,
    is_bare,
    is_hex,
)
from mycelium.admin.service_unit import NAME
from mycelium.admin.whole_file import create_whole, replace_whole
from mycelium.errors import ConfigError, LocalError
from mycelium.regular_file import read_regular

_MODE: Final = 0o600
_FOR_OTHERS: Final = 0o077
MAX_BYTES: Final = 1_024  # more than any secret has
_TOKEN_BYTES: Final = range(16, 257)  # shorter tokens could be guessed


def read_network_key(path: Path) -> bytes:
    """Reads a pre-shared key: what `create_network_key` writes, 32 bytes or 64 hex digits.

    Raises ConfigError if it is something else or open to other users. Zeros are refused: they stand for the open network.
    """
    return parse_network_key(_read(path), path)


def parse_network_key(data: bytes, path: Path) -> bytes:
    """Returns the key that a file holds; raises ConfigError with the file's `path`."""
    kind, secret = decode_secret(data) or (None, b"")
    if kind is SecretKind.NETWORK_KEY:
        return secret
    if is_bare(data):
        return data
    if is_hex(data) and any(key := bytes.fromhex(data.decode("ascii"))):
        return key
    reason = "is the secret key of a node" if kind is not None else explain(data)
    raise ConfigError(f"the network key file {path} {reason}; 'mycelium generate-network-key FILE' makes a network key")


def create_network_key(path: Path, key: bytes = b"") -> None:
    """Writes a pre-shared key, a random one unless given; raises LocalError if the file exists or cannot be written."""
    data = encode_secret(SecretKind.NETWORK_KEY, key or os.urandom(SECRET_BYTES))
    create_private(path, data, name=f"the network key file {path}", error=LocalError)


def read_api_token(path: Path) -> str:
    """Reads the token of the API, one line of printable ASCII; raises ConfigError if it is invalid or open to other users."""
    token = _read(path).strip().decode("ascii", errors="replace")
    if len(token) not in _TOKEN_BYTES or not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"{path}: a token is one line of {_TOKEN_BYTES.start} to {_TOKEN_BYTES.stop - 1} ASCII characters"
        )
    return token


def read_private(path: Path, *, name: str, error: type[LocalError], most: int = MAX_BYTES) -> bytes:
    """Reads the first bytes of a regular file that only its owner may read; raises `error` with `name` in its text."""
    data, mode = read_with_mode(path, name=name, error=error, most=most)
    require_private(mode, path, name=name, error=error)
    return data


def read_with_mode(
    path: Path, *, name: str, error: type[LocalError], most: int = MAX_BYTES, flags: int = 0
) -> tuple[bytes, int]:
    """Returns the first bytes of a regular file, `most` of them, and who may do what with it."""
    try:
        found = read_regular(path, most, flags)
    except PermissionError:
        raise error(f"cannot read {name}: {_forbidden(path)}") from None
    except OSError as cause:
        raise error(f"cannot read {name}: {cause.strerror}") from None
    if found is None:
        raise error(f"{name} is not a regular file")
    return found


def require_private(mode: int, path: Path, *, name: str, error: type[LocalError]) -> None:
    """Raises `error` for the mode of a file that other users may touch."""
    if mode & _FOR_OTHERS:
        raise error(f"{name} is open to other users (mode {mode:04o}): chmod 600 {path}")


def create_private(path: Path, data: bytes, *, name: str, error: type[LocalError], is_daemons: bool = True) -> None:
    """Writes a file that its owner alone may read, synced to disk: the whole of it or none.

    Raises `error` if there is a file already, which is not changed, or if it cannot be written. One that no daemon reads is
    root's in the service's folder too.
    """
    try:
        create_whole(path, data, mode=_MODE, is_daemons=is_daemons)
    except FileExistsError as cause:
        raise error(f"{name} exists already and was not changed") from cause
    except FileNotFoundError as cause:
        raise error(f"cannot write {name}: there is no folder {path.parent}") from cause
    except OSError as cause:
        raise error(f"cannot write {name}: {cause.strerror}") from cause


def replace_private(path: Path, data: bytes) -> None:
    """Writes a file that its owner alone may read, in place of one that may be there, whole. Raises OSError."""
    replace_whole(path, data, mode=_MODE)


def _forbidden(path: Path) -> str:
    """Returns why this process may not read a file, and what to do about it."""
    import pwd  # here, because it would slow down every command

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    advice = f"a service reads nothing below /home and /root, but in /etc/{NAME}"
    return f"user {user} may not: 'chown {user} {path}' lets it; {advice}"


def _read(path: Path) -> bytes:
    return read_private(path, name=str(path), error=ConfigError)
