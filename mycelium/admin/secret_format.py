"""The bytes of a secret in a file: a line that says what it is, then 32 bytes. Files of other programs are recognised and told.

Files without that line were written before there was one, or by the Rust Mycelium, whose 32 bytes mean another key.
"""

import binascii
import re
from base64 import b64decode
from enum import Enum
from typing import Final

from mycelium import __version__
from mycelium.identity import Identity

SECRET_BYTES: Final = 32

_LABEL: Final = re.compile(rb"mycelium-[a-z0-9-]{1,40}\n")  # first lines of all our secrets, of later versions too
_HEX: Final = re.compile(rb"\s*[0-9A-Fa-f]{64}\s*")
_BASE64_BYTES: Final = 44  # of 32 bytes
_OTHERS: Final = (  # what a foreign file contains, what that is
    (b"BEGIN OPENSSH PRIVATE KEY", "an SSH key"),
    (b"-----BEGIN ", "a PEM file"),
    (b"ssh-", "an SSH public key"),
    (b"AGE-SECRET-KEY-", "an age key"),
    (b"[Interface]", "a WireGuard configuration"),
)


MEMBER_LABEL: Final = b"mycelium-member"  # begin of the first line of a member's file


class SecretKind(Enum):
    """What a secret is; the value is the first line of its file."""

    SEED = b"mycelium-ed25519-seed\n"
    EXCHANGE_SECRET = b"mycelium-x25519-secret\n"
    NETWORK_KEY = b"mycelium-network-key\n"


def encode_secret(kind: SecretKind, secret: bytes) -> bytes:
    """Returns the content of a file that holds a secret of 32 bytes."""
    return kind.value + secret


def decode_secret(data: bytes) -> tuple[SecretKind, bytes] | None:
    """Returns the kind and the 32 bytes of a file with a first line of ours; None for any other file, and for a damaged one."""
    for kind in SecretKind:
        secret = data.removeprefix(kind.value)
        if len(secret) == SECRET_BYTES < len(data) and any(secret):
            return kind, secret
    return None


def is_bare(data: bytes) -> bool:
    """Tells whether a file is 32 bytes, not all zeros, that say nothing of what they are."""
    return len(data) == SECRET_BYTES and any(data)


def is_hex(data: bytes) -> bool:
    """Tells whether a file is 32 bytes in hex digits."""
    return _HEX.fullmatch(data) is not None


def explain(data: bytes) -> str:
    """Returns what a file is that holds no secret of ours, with the remedy where there is one, to follow the file's name."""
    if not data:
        return "is empty: it is damaged, or was never written"
    if not any(data):
        return "holds only zeros: it is damaged"
    return _explain_damage(data) or _explain_text(data) or f"has {len(data)} bytes, not {SECRET_BYTES}: {_FOREIGN}"


_FOREIGN: Final = "it is damaged, or belongs to another program"


def explain_later(data: bytes) -> str | None:
    """Returns why a file can't be read whose first line is of our form and unknown here; None for any other file."""
    line = _LABEL.match(data)
    if line is None:
        return None
    label = line[0].decode().rstrip()
    return f"begins with {label!r}, as a version of mycelium newer than {__version__} writes it: use that version"


def _explain_damage(data: bytes) -> str | None:
    if data.startswith(MEMBER_LABEL):
        return "is the file of a member of a network, which --network-key-file names"
    if not any(data.startswith(kind.value) for kind in SecretKind) and (later := explain_later(data)) is not None:
        return later
    for kind in SecretKind:
        label = kind.value.rstrip()
        if data.startswith(label + b"\r"):
            return "has the line ends of Windows: copy the original again, as binary data"
        if data.startswith(label):
            return f"is damaged: {len(data) - len(kind.value)} bytes follow its first line, not {SECRET_BYTES}"
    secret, rest = data[:SECRET_BYTES], data[SECRET_BYTES:]
    if rest in (b"\n", b"\r\n"):
        return "has a line end behind its 32 bytes, as editors add it: 'head -c 32 FILE > NEW' makes a file without"
    if len(secret) == SECRET_BYTES and rest == Identity(secret).signing_public_key:
        return "is an Ed25519 key pair: 'head -c 32 FILE > NEW' makes a file of its seed, for 'import-key --as-seed'"
    return None


def _explain_text(data: bytes) -> str | None:
    for mark, what in _OTHERS:
        if mark in data:
            return f"is {what}, which belongs to another program"
    if is_hex(data):
        return "has its key in hex digits: 'xxd -r -p FILE > NEW' makes a file of the bytes"
    text = data.strip()
    if len(text) == _BASE64_BYTES:
        try:
            b64decode(text, validate=True)
        except binascii.Error:
            return None
        return "is a key in base64, as WireGuard's are, which belongs to another program"
    return None
