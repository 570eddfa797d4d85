"""What a datagram is taken apart into: a tree of parts, each with a title and fields, for people and for programs."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from msgspec import Struct, field

from mycelium.identity import ADDRESS_BYTES, address_text


class DatagramPart(Struct):
    """One part; bytes of the length of a node's address are one."""

    title: str
    fields: dict[str, Any] = field(default_factory=dict)
    parts: list["DatagramPart"] = field(default_factory=list)

    def lines(self, depth: int = 0) -> Iterator[str]:
        """Yields a line for this part and for each one in it, which stands further right."""
        told = ", ".join(f"{name} {value}" for name, value in self.fields.items())
        yield f"{'  ' * depth}{self.title}{': ' if told else ''}{told}"
        for part in self.parts:
            yield from part.lines(depth + 1)


def part_of(title: str, value: Struct) -> DatagramPart:
    """Returns a decoded message as a part."""
    fields, parts = dict[str, Any](), list[DatagramPart]()
    for name in value.__struct_fields__:
        one = getattr(value, name)
        if isinstance(one, Struct):
            parts.append(part_of(name, one))
        elif isinstance(one, tuple) and one and isinstance(one[0], Struct):
            parts += [part_of(name.removesuffix("s"), each) for each in one]
        elif one is not None and one != b"":
            fields[name.replace("_", " ")] = shown(one)
    return DatagramPart(title, fields, parts)


def shown(value: Any) -> Any:
    """Returns a value as JSON and people have it."""
    match value:
        case bytes() | memoryview() if len(value) == ADDRESS_BYTES:
            return address_text(bytes(value))
        case bytes() | memoryview():
            return value.hex()
        case tuple() | list():
            return [shown(one) for one in value]
        case IntEnum():
            return value.name.lower().replace("_", " ")
        case bool() | int() | float() | str():
            return value
    return str(value)
