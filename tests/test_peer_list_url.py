"""URLs of lists of peers, told from those of peers, and what may stand in a list."""

import pytest

from mycelium.errors import ConfigError
from mycelium.limits import PEERS_PER_LIST
from mycelium.peer_list_url import PeerListUrl, is_list, parse_lines

PIN = "00" * 31 + "09"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("dns://mesh.example", "dns://mesh.example"),
        ("DNS://Mesh.Example.", "dns://mesh.example"),
        ("https://mesh.example/peers?x=1", "https://mesh.example/peers?x=1"),
        ("HTTPS://mesh.example:8443/", "https://mesh.example:8443/"),
        ("file:/etc/mycelium/peers", "file:/etc/mycelium/peers"),
    ],
)
def test_a_list_has_one_form(text: str, canonical: str) -> None:
    assert is_list(text)
    assert str(PeerListUrl.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "dns:mesh.example",
        "dns://mesh.example:53",
        "dns://mesh.example/x",
        "dns://example",
        "dns://-a.b",
        f"dns://mesh.example#{PIN}",
        "https://",
        "https:///peers",
        "https://mesh.example/a b",
        "https://mesh.example/#x",
        "https://mesh.example:99999/",
        "file:peers",
        "file://host/peers",
        "file:",
    ],
)
def test_what_is_no_list_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match="is not the URL of a peer list"):
        PeerListUrl.parse(text)


def test_a_login_is_kept_and_never_shown() -> None:
    url = PeerListUrl.parse("https://ann:se@cret@mesh.example/peers@home")
    assert url.place == "https://ann:se@cret@mesh.example/peers@home"
    assert str(url) == url.shown_place == "https://***@mesh.example/peers@home"
    with pytest.raises(ConfigError, match=r"^'https://\*\*\*@mesh.example/a b' is not the URL of a peer list"):
        PeerListUrl.parse("https://ann:secret@mesh.example/a b")


@pytest.mark.parametrize("text", ["udp://mesh.example:9651", "mesh.example", "dns:9651", f"file:9651#{PIN}", "[::1]:5"])
def test_peers_are_no_lists(text: str) -> None:
    assert not is_list(text)


def test_a_list_has_one_peer_on_each_line_besides_comments() -> None:
    lines = ["# ours", "", f"  udp://hub.example:9651#{PIN}  ", "hub.example", "udp://hub.example:9651", "hub.example"]
    assert [str(url) for url in parse_lines(lines)] == [
        f"udp://hub.example:9651#{PIN}",
        "hub.example:9651",
        "udp://hub.example:9651",
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "it names no peer"),
        (["# only this"], "it names no peer"),
        (["hub.example", "what://x"], "line 2: 'what://x' is not a valid URL"),
        (["dns://mesh.example"], "line 1: a list of peers can't name another list"),
        (["https://mesh.example/"], "line 1: a list of peers can't name another list"),
        (["udp://[400::1]:9651"], "line 1: .*overlay"),
        ([f"hub{number}.example" for number in range(PEERS_PER_LIST + 1)], f"it has more than {PEERS_PER_LIST} peers"),
    ],
)
def test_a_bad_list_is_refused_as_a_whole_with_the_line(lines: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_lines(lines)
