"""Inputs made from others, by dice: what the suite tries of fuzzing without a fuzzer."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

EDGES: Final = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff", b"\0\1")


def mutated(corpus: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Yields changed and joined inputs without end."""
    while True:
        data = bytearray(rng.choice(corpus))
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(6):
                case 0:
                    data[at : at + 1] = bytes((rng.randrange(256),))
                case 1:
                    data[at : at + rng.randrange(8)] = b""
                case 2:
                    edge = rng.choice(EDGES)
                    data[at : at + len(edge)] = edge
                case 3:
                    data[at:at] = rng.randbytes(rng.randrange(1, 9))
                case 4:
                    data += rng.choice(corpus)
                case 5:
                    other = rng.choice(corpus)
                    data[at:] = other[rng.randrange(len(other) + 1) :]
        yield bytes(data)
