"""Each sentence that this program has for a cause is of a kind, and one that names keys or hosts is so whichever it names."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from mycelium.link import causes as link_causes
from mycelium.node.cause_kind import OTHER, kind_of_cause
from mycelium.peering import auto, configured, shortcut_use
from mycelium.transport import causes as transport_causes
from mycelium.transport.quic import causes as quic_causes
from mycelium.transport.streams import causes as stream_causes


def sentences(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if name.isupper() and isinstance(value, str) and " " in value:
            yield value
        elif name in ("WORDS", "_CONNECTING"):
            yield from value.values()


ALL = [
    *sentences(link_causes),
    *sentences(transport_causes),
    *sentences(quic_causes),
    *sentences(stream_causes),
    *(auto.SURPLUS, auto.SILENT, auto.CLOSED, auto.GONE, configured.NAME_UNKNOWN),
    *(shortcut_use.IDLE, shortcut_use.UNUSED),
]


@pytest.mark.parametrize("sentence", ALL)
def test_no_sentence_of_ours_is_of_another_kind(sentence: str) -> None:
    assert kind_of_cause(sentence) not in ("", OTHER)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (None, ""),
        ("", ""),
        ("silent", "silent"),
        ("closed", "closed"),
        ("silent treatment", OTHER),
        (link_causes.NO_ANSWER, "no-answer"),
        (link_causes.wrong_key(bytes(32), b"\1" * 32), "wrong-key"),
        (link_causes.wrong_key(b"\2" * 32, b"\1" * 32), "wrong-key"),
        (link_causes.too_many_links(7), "too-many"),
        (link_causes.too_many_links_there("192.0.2.1"), "too-many"),
        (link_causes.other_version(9), "version"),
        ("eth0 lost its carrier", "interface"),
        ("wlan0 was removed", "interface"),
        ("this host's address 192.0.2.1 was removed", "interface"),
        ("this host has no route to it (network is unreachable)", "host"),
        ("the name can't be looked up: no server answers", "name"),
        ("the proxy refuses: 403 Forbidden", "proxy"),
        ("something that nobody has thought of", OTHER),
    ],
)
def test_what_differs_in_names_only_is_of_one_kind(cause: str | None, kind: str) -> None:
    assert kind_of_cause(cause) == kind
