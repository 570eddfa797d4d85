"""What a node has of its private network in a file: a key that all nodes share, or, as a member, its certificates too.

A member's file is a line that says so, the key, the root key of the network and the certificates.
"""

from pathlib import Path
from typing import Final

from msgspec import Struct

from mycelium.admin.private_file import parse_network_key, read_private, replace_private
from mycelium.errors import ConfigError, DecodeError, LocalError
from mycelium.identity import PUBLIC_KEY_BYTES
from mycelium.wire.membership import Chain, decode_chain, encode_chain

_MEMBER: Final = b"mycelium-member\n"
_KEY_END: Final = len(_MEMBER) + PUBLIC_KEY_BYTES


class NetworkFile(Struct, frozen=True):
    """The secrets of a private network; without certificates, every node that has the key is let in."""

    key: bytes
    root: bytes = b""
    chain: Chain = ()


def read_network(path: Path) -> NetworkFile:
    """Reads the file that --network-key-file names; raises ConfigError."""
    data = read_private(path, name=str(path), error=ConfigError)
    if not data.startswith(_MEMBER):
        return NetworkFile(parse_network_key(data, path))
    return parse_member(data, name=str(path))


def parse_member(data: bytes, *, name: str) -> NetworkFile:
    """Returns what a member's file holds; raises ConfigError with the file's `name`."""
    try:
        root, chain = decode_membership(data[_KEY_END:])
    except DecodeError as error:
        raise ConfigError(f"{name} is damaged: {error}; 'mycelium network admit' makes another one") from None
    return NetworkFile(data[len(_MEMBER) : _KEY_END], root, chain)


def decode_membership(data: bytes) -> tuple[bytes, Chain]:
    """Returns root key and certificates; raises DecodeError."""
    return data[:PUBLIC_KEY_BYTES], decode_chain(data[PUBLIC_KEY_BYTES:])


def encode_membership(network: NetworkFile) -> bytes:
    """Returns root key and certificates; nothing for a network without members."""
    return network.root + encode_chain(network.chain)


def encode_member(network: NetworkFile) -> bytes:
    """Returns the content of a member's file."""
    return _MEMBER + network.key + encode_membership(network)


def write_member(path: Path, network: NetworkFile) -> None:
    """Writes a member's file, in place of one that may be there; raises LocalError."""
    try:
        replace_private(path, encode_member(network))
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from error
