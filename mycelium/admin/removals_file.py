"""Who was removed from a network, as text: one signed part a line, in base64. It is no secret."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Iterator
from typing import Final

from mycelium.errors import ConfigError, DecodeError
from mycelium.identity import SIGNATURE_BYTES
from mycelium.limits import REMOVAL_PARTS
from mycelium.wire.membership import REMOVALS_BYTES, Removals, decode_removals, encode_removals

REMOVALS_FILE_BYTES: Final = REMOVAL_PARTS * 3 * REMOVALS_BYTES // 2  # more than base64 and ends of lines take


def removals_text(parts: Iterable[Removals]) -> str:
    """Returns parts as text."""
    return "".join(f"{b64encode(encode_removals(one)).decode()}\n" for one in parts)


def read_removals(text: str, name: str) -> list[Removals]:
    """Returns the parts in a text, at least one; raises ConfigError, which names the text.

    Whoever reads it from a file reads a byte more than REMOVALS_FILE_BYTES, so that one that is too long is told as that.
    """
    parts, faults = legible_removals(text, name)
    if faults:
        raise faults[0]
    return parts


def legible_removals(text: str, name: str) -> tuple[list[Removals], list[ConfigError]]:
    """Returns the parts in those lines of a text that can be read, and what is wrong with the text, which names it."""
    parts: list[Removals] = []
    faults: list[ConfigError] = []
    if len(text) > REMOVALS_FILE_BYTES:
        faults.append(ConfigError(f"{name} is longer than what 'mycelium network remove' writes can be"))
        text = text[:REMOVALS_FILE_BYTES]
    lines = text.split()
    if not lines:
        faults.append(ConfigError(f"{name} is empty"))
    for number, line in enumerate(lines, 1):
        try:
            parts.append(_read_line(line, f"line {number} of {name}"))
        except ConfigError as fault:
            faults.append(fault)
    return parts, faults


def _read_line(line: str, name: str) -> Removals:
    try:
        data = b64decode(line, validate=True)
    except (Base64Error, ValueError):
        raise ConfigError(f"{name} is not what 'mycelium network remove' writes, or only a part of it") from None
    try:
        return decode_removals(data)
    except DecodeError as error:
        if len(data) <= SIGNATURE_BYTES:
            raise ConfigError(f"{name} is too short") from None
        raise ConfigError(
            f"{name} is of another version of mycelium ({error}): 'mycelium network remove' of this version, with the address "
            "of a node that was removed, writes the file anew"
        ) from None


def told_at_once(parts: Iterable[Removals]) -> Iterator[str]:
    """Yields parts as texts that the API takes: one has up to 10 KB, of the 16 that a request may have."""
    for one in parts:
        yield removals_text((one,))
