"""What operators write or are given: URLs, invitations, policies, key files, captures; behind functions that take any bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mycelium.admin.join_uri import JoinUri
from mycelium.admin.network_file import parse_member
from mycelium.admin.private_file import parse_network_key
from mycelium.admin.proxy_url import ProxyUrl
from mycelium.admin.secret_format import decode_secret, explain
from mycelium.capture.keys import read_keys
from mycelium.capture.pcapng import CaptureReader
from mycelium.peer_list_url import PeerListUrl, parse_lines
from mycelium.peer_url import PeerUrl
from mycelium.policy.settings import parse_policy
from mycelium.wire.membership import decode_credentials


def _of_text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode(errors="replace"))


def _policy(data: bytes) -> None:
    """Takes a table as JSON, which has all values that TOML has for a policy."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = {"packets": data.decode(errors="replace").splitlines(), "groups": {"g": ["400::/7"]}}
    str(parse_policy(value))


def _secret(data: bytes) -> None:
    decode_secret(data)
    explain(data)


TEXTS: Final[dict[str, Callable[[bytes], object]]] = {
    "certificates in an answer": decode_credentials,
    "member file": lambda data: parse_member(data, name="x"),
    "network key": lambda data: parse_network_key(data, Path("x")),
    "secret": _secret,
    "policy": _policy,
    "peer URL": _of_text(PeerUrl.parse),
    "listen URL": _of_text(PeerUrl.parse_listen),
    "peer list URL": _of_text(PeerListUrl.parse),
    "peer list": _of_text(lambda text: parse_lines(text.splitlines())),
    "proxy URL": _of_text(ProxyUrl.parse),
    "invitation": _of_text(lambda text: str(JoinUri.parse(text))),
    "keys of a capture": _of_text(read_keys),
    "capture": lambda data: list(CaptureReader().feed(data)),
}
