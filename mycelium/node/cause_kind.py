"""What kind of cause a sentence for people tells of: one word of a few, as a label to count by.

Such sentences name keys, addresses and interfaces, of which there may be any number.
"""

import re
from typing import Final

NONE: Final = ""
OTHER: Final = "other"

_KINDS: Final = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        ("silent$|it does not answer any more|it has not answered for long", "silent"),
        ("closed$|it (has )?closed|it closes|its link has ended", "closed"),
        ("no answer|it answered the handshake, but nothing|it accepts connections, but gives no answer", "no-answer"),
        ("answered with key", "wrong-key"),
        ("its answer does not authenticate", "wrong-network"),
        ("it has this node's own key|that is this node", "own-key"),
        ("its keys are too old|its keys are not used any more", "keys"),
        ("it speaks version", "version"),
        ("it speaks another protocol|it accepts connections, but does not open", "protocol"),
        ("it is there, but takes no more|this node has too many|too many links", "too-many"),
        ("this node's policy|the peer was removed|fewer automatic peers|no traffic for|other ways are", "unwanted"),
        ("nothing listens there|the connection was re", "refused"),
        ("the proxy", "proxy"),
        ("the name", "name"),
        (".* needs the Python package", "library"),
        (".* (lost its carrier|was set down|was removed)$|the interface", "interface"),
        ("this host|a firewall|a route", "host"),
    )
)


def kind_of_cause(cause: str | None) -> str:
    """Returns the kind of a cause, an empty text for none."""
    if not cause:
        return NONE
    return next((kind for pattern, kind in _KINDS if pattern.match(cause)), OTHER)
