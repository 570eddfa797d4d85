"""Keys in a capture: a line for each keypair, from which the datagrams in both directions can be opened.

    link|session  own index  index of the other end  suite  key that seals  key that opens  overlay address of the other end

The indices and keys are hexadecimal, the suite is its number of `wire.datagram`.
"""

from collections.abc import Collection
from ipaddress import IPv6Address
from typing import Final

from msgspec import Struct

from mycelium.channel.keypair import Keypair
from mycelium.errors import DecodeError
from mycelium.identity import address_text

LINK: Final = "link"
SESSION: Final = "session"


class KnownKey(Struct, frozen=True):
    """What opens the datagrams or trains that name an index of their receiver."""

    of: str  # LINK or SESSION
    index: int
    suite: int
    key: bytes
    peer: bytes  # overlay address of the other end
    is_sent: bool


class KeyLog:
    """Tells of each keypair once."""

    def __init__(self) -> None:
        self._told: dict[str, set[int]] = {}  # local indices of the keypairs that there were at the last look

    def lines(self, of: str, keypairs: Collection[tuple[bytes, Keypair]]) -> str:
        """Returns a line for each of all keypairs that is new; they come with the overlay address of the other end."""
        told = self._told.get(of, set())
        self._told[of] = {one.local_index for _, one in keypairs}
        return "".join(_line(of, peer, one) for peer, one in keypairs if one.local_index not in told)


def read_keys(lines: str) -> list[KnownKey]:
    """Returns the keys in lines of a capture; raises DecodeError."""
    found = []
    for line in lines.splitlines():
        try:
            of, own, other, suite, seals, opens, peer = line.split()
            address = IPv6Address(peer).packed
            found += [
                KnownKey(of, int(other, 16), int(suite), bytes.fromhex(seals), address, is_sent=True),
                KnownKey(of, int(own, 16), int(suite), bytes.fromhex(opens), address, is_sent=False),
            ]
        except ValueError:
            raise DecodeError("a key in this capture is damaged") from None
    return found


def _line(of: str, peer: bytes, keypair: Keypair) -> str:
    secrets = keypair.secrets
    own, other = f"{keypair.local_index:08x}", f"{keypair.remote_index:08x}"
    keys = f"{secrets.suite} {secrets.sealing.hex()} {secrets.opening.hex()}"
    return f"{of} {own} {other} {keys} {address_text(peer)}\n"
