"""Who was removed from a network, as text: one signed part a line, in base64. It is no secret."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mycelium.errors import ConfigError, DecodeError
from mycelium.identity import SIGNATURE_BYTES
from mycelium.limits import CONTROL_MESSAGE_BYTES, REMOVAL_PARTS
from mycelium.wire.membership import Removals, decode_removals, encode_removals

REMOVALS_FILE_BYTES: Final = REMOVAL_PARTS * 3 * CONTROL_MESSAGE_BYTES // 2  # more than base64 and ends of lines take
_PARTS_AT_ONCE: Final = 8  # 11 KB, of the 16 that a request to the API may have


def removals_text(parts: Iterable[Removals]) -> str:
    """Returns parts as text."""
    return "".join(f"{b64encode(encode_removals(one)).decode()}\n" for one in parts)


def read_removals(text: str, name: str) -> list[Removals]:
    """Returns the parts in a text, at least one; raises ConfigError, which names the text."""
    lines = text.split()
    if not lines:
        raise ConfigError(f"{name} is empty")
    return [_read_line(line, f"line {number} of {name}") for number, line in enumerate(lines, 1)]


def _read_line(line: str, name: str) -> Removals:
    try:
        data = b64decode(line, validate=True)
    except (Base64Error, ValueError):
        raise ConfigError(f"{name} is not what 'mycelium network remove' writes, or only a part of it") from None
    try:
        return decode_removals(data)
    except DecodeError as error:
        has_room = len(data) > SIGNATURE_BYTES
        reason = f"is of another version of mycelium ({error}): use that version" if has_room else "is too short"
        raise ConfigError(f"{name} {reason}") from None


def told_at_once(parts: Sequence[Removals]) -> Iterator[str]:
    """Yields parts as texts that the API takes."""
    for first in range(0, len(parts), _PARTS_AT_ONCE):
        yield removals_text(parts[first : first + _PARTS_AT_ONCE])
