"""How people write an invitation: `mycelium:join?v=1&p=hub.example.org:9651%23PUBLICKEY&n=corp&t=TOKEN`.

`p` is a member's URL with its key, further ones are other addresses of the same member; `n` is the network's name, for people;
`f` is the fingerprint of that member's ML-DSA key, if it has one, and `t` the token, which lets in whoever has it: both are 16
bytes in base64url.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from urllib.parse import parse_qsl, quote

from msgspec import Struct, structs

from mycelium.errors import ConfigError
from mycelium.peer_url import PeerUrl

JOIN_URI_CHARACTERS: Final = 192  # what a QR code of version 8 holds, which can be read off a screen
PEERS_PER_URI: Final = 4

_START: Final = "mycelium:join?"
_VERSION: Final = "1"
_FIELD_BYTES: Final = 16  # of a token, and of a fingerprint
_FIELD_CHARACTERS: Final = 22  # of base64, without the signs that fill it up


class JoinUri(Struct, frozen=True):
    """An invitation: where its member is found, each URL with its key, the network's name if it has one, and the token."""

    peers: tuple[PeerUrl, ...]
    network_name: str
    token: bytes

    @classmethod
    def parse(cls, text: str) -> "JoinUri":
        """Raises ConfigError that says what is wrong, and does not repeat the token."""
        text = text.strip()
        if not text.startswith(_START) or len(text) > 10 * JOIN_URI_CHARACTERS:
            raise ConfigError(f"an invitation begins with '{_START}', as 'mycelium invite' prints it")
        try:
            fields = parse_qsl(text.removeprefix(_START), strict_parsing=True, errors="strict", max_num_fields=20)
        except ValueError:
            raise ConfigError(
                "the invitation has a part that is not 'name=value', in UTF-8: copy it as a whole"
            ) from None
        values = dict(fields)
        if "v" not in values:
            raise ConfigError("the invitation says no version at its beginning: copy it as a whole")
        if values["v"] != _VERSION:
            raise ConfigError(
                f"the invitation is of version {values['v'][:10]!r}, and this mycelium knows {_VERSION} only: "
                "bring both hosts up to date"
            )
        if "p" not in values or "t" not in values:
            raise ConfigError("the invitation breaks off: quote it, as the shell takes a '&' for its own")
        peers = [PeerUrl.parse(value) for key, value in fields if key == "p"][:PEERS_PER_URI]
        if peers[0].pin is None:
            raise ConfigError("the invitation names a member without its key")
        fingerprint = _bytes(values["f"], "fingerprint in the invitation") if "f" in values else None
        pinned = tuple(structs.replace(peer, pin=peers[0].pin, fingerprint=fingerprint) for peer in peers)
        return cls(pinned, values.get("n", ""), _bytes(values.get("t", ""), "token at the end of the invitation"))

    def __str__(self) -> str:
        """Returns it with as many addresses as there is room for; raises ConfigError if there is none for the first."""
        first, *others = self.peers
        required = f"{_START}v={_VERSION}&p={_quoted(str(structs.replace(first, fingerprint=None)))}"
        proof = "" if first.fingerprint is None else f"&f={_base64(first.fingerprint)}"
        end = f"&t={_base64(self.token)}"
        name = f"&n={_quoted(self.network_name)}" if self.network_name else ""
        more = [f"&p={_quoted(str(structs.replace(peer, pin=None)))}" for peer in others[: PEERS_PER_URI - 1]]
        for part in (proof, name, *more):
            if len(required) + len(part) + len(end) <= JOIN_URI_CHARACTERS:
                required += part
        if len(required) + len(end) > JOIN_URI_CHARACTERS:
            raise ConfigError(f"{str(first)[:60]}... is too long for an invitation: name a shorter host")
        return required + end


def _quoted(text: str) -> str:
    return quote(text, safe=":/[]@-._~")


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str, what: str) -> bytes:
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != _FIELD_BYTES:
        raise ConfigError(
            f"the {what} is not valid: it has {len(text)} characters, where there are "
            f"{_FIELD_CHARACTERS} letters, digits, '-' and '_'"
        )
    return data
