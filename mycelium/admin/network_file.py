"""What a node has of its private network in a file: a key that all nodes share, or, as a member, its certificates too.

A member's file is a line that says so, the key, the root key of the network and the certificates.
"""

from pathlib import Path
from typing import Final

from msgspec import Struct

from mycelium.admin.private_file import parse_network_key, read_private, replace_private
from mycelium.admin.secret_format import MEMBER_LABEL, explain_later
from mycelium.errors import ConfigError, DecodeError, LocalError
from mycelium.wire.join import NETWORK_KEY_BYTES
from mycelium.wire.membership import CREDENTIALS_BYTES, Credentials, decode_credentials, encode_credentials

_OLD_MEMBER: Final = MEMBER_LABEL + b"\n"
_MEMBER: Final = MEMBER_LABEL + b"-2\n"
_ANOTHER: Final = "'mycelium network admit' makes another one"
_KEY_END: Final = len(_MEMBER) + NETWORK_KEY_BYTES
_MOST_BYTES: Final = _KEY_END + CREDENTIALS_BYTES + 1  # one more than the longest has


class NetworkFile(Struct, frozen=True):
    """The secrets of a private network; where nobody is admitted by certificates, every node that has the key is let in."""

    key: bytes
    credentials: Credentials | None = None


def read_network(path: Path) -> NetworkFile:
    """Reads the file that --network-key-file names; raises ConfigError."""
    data = read_private(path, name=str(path), error=ConfigError, most=_MOST_BYTES)
    if data.startswith(MEMBER_LABEL):
        return parse_member(data, name=str(path))
    return NetworkFile(parse_network_key(data, path))


def parse_member(data: bytes, *, name: str) -> NetworkFile:
    """Returns what a member's file holds; raises ConfigError with the file's `name`."""
    if data.startswith(_OLD_MEMBER):
        raise ConfigError(
            f"{name} is of an earlier version of mycelium, whose certificates have no ML-DSA signatures: have this node "
            "admitted again ('mycelium network admit' with the same root file, or a new invitation)"
        )
    if not data.startswith(_MEMBER):
        raise ConfigError(f"{name} {explain_later(data) or f'is damaged: its first line breaks off; {_ANOTHER}'}")
    try:
        return NetworkFile(data[len(_MEMBER) : _KEY_END], decode_credentials(data[_KEY_END:]))
    except DecodeError as error:
        raise ConfigError(f"{name} is damaged: {error}; {_ANOTHER}") from None


def write_member(path: Path, key: bytes, credentials: Credentials) -> None:
    """Writes a member's file, in place of one that may be there; raises LocalError."""
    try:
        replace_private(path, _MEMBER + key + encode_credentials(credentials))
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from error
