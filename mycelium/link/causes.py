"""Why no link comes up, in words for operators: what handshakes and nodes know of it themselves.

What this host or the network says of datagrams comes from transports and the daemon, in their words.
"""

from typing import Final

from mycelium.wire.datagram import PROTOCOL_VERSION

NO_ANSWER: Final = "no answer (nothing is there, UDP is blocked on the way, or it has another network key)"
NO_ANSWER_IN_STREAM: Final = (
    "it accepts connections, but gives no answer (no mycelium, or one with another network key)"
)
BUSY: Final = "it is there, but takes no more handshakes now"
UNAUTHENTIC: Final = "its answer does not authenticate (it has another network name, or somebody on the way changes it)"
THIS_NODE: Final = "that is this node"
SAME_KEY: Final = "it has this node's own key: no two hosts can share one"
NOTHING_AFTER: Final = "it answered the handshake, but nothing after it"
DECLINED: Final = "it closed the link at once: it does not want this node, or has too many links"
KEYS_TOO_OLD: Final = "its keys are too old, and no handshake for new ones gets through, though other datagrams do"
MACHINE_COPIED: Final = (
    "its keys are not used any more: this host's clock was set forward, or it may have been copied while it ran"
)
DENIED_HERE: Final = "this node's policy does not allow it"

_SHORTEST: Final = 4  # hex digits of a key


def too_many_links(bound: int) -> str:
    return f"this node has too many links: {bound}"


def too_many_links_there(host: str) -> str:
    return f"too many links come from the network of {host}"


def other_version(version: int) -> str:
    return f"it speaks version {version} of the protocol, this node version {PROTOCOL_VERSION}"


def wrong_key(key: bytes, pin: bytes) -> str:
    """Shows both keys by as many digits as it takes to tell them apart."""
    found, pinned = key.hex(), pin.hex()
    digits = next(digits for digits in range(_SHORTEST, len(pinned) + 1) if found[:digits] != pinned[:digits])
    return (
        f"answered with key {found[:digits]}…, not the pinned {pinned[:digits]}…: "
        "is the pin old, or is somebody in between?"
    )
