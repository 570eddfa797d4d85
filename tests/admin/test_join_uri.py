from urllib.parse import quote

import pytest
from msgspec import structs

from mycelium.admin.join_uri import JOIN_URI_CHARACTERS, PEERS_PER_URI, JoinUri
from mycelium.errors import ConfigError
from mycelium.peer_url import PeerUrl

KEY = bytes(range(32))
TOKEN = bytes(range(16))
HUB = PeerUrl("udp", "hub.example.org", 9651, KEY)
URI = f"mycelium:join?v=1&p=udp://hub.example.org:9651%23{KEY.hex()}&n=corp&t=AAECAwQFBgcICQoLDA0ODw"


def test_an_invitation_is_written_as_it_is_read() -> None:
    uri = JoinUri((HUB,), "corp", TOKEN)
    assert str(uri) == URI
    assert len(URI) <= JOIN_URI_CHARACTERS
    assert JoinUri.parse(f" {URI}\n") == uri


def test_an_invitation_has_the_fingerprint_of_its_member_if_that_has_one() -> None:
    proved = structs.replace(HUB, fingerprint=bytes(range(16, 32)))
    uri = JoinUri((proved, structs.replace(proved, scheme="", host="192.0.2.1")), "corp", TOKEN)
    written = str(uri)
    assert "&f=EBESExQVFhcYGRobHB0eHw&" in written
    assert len(written) <= JOIN_URI_CHARACTERS
    assert JoinUri.parse(written) == uri
    longest = PeerUrl("udp", "2001:db8:1111:2222:3333:4444:5555:6666", 59651, KEY, fingerprint=bytes(16))
    assert JoinUri.parse(str(JoinUri((longest,), "", TOKEN))).peers == (longest,)
    too_long = structs.replace(proved, host="h" * 60)
    assert JoinUri.parse(str(JoinUri((too_long,), "", TOKEN))).peers[0].fingerprint is None
    with pytest.raises(ConfigError, match="the fingerprint in the invitation is not valid"):
        JoinUri.parse(written.replace("&f=EB", "&f=E"))


def test_further_addresses_are_of_the_same_member() -> None:
    others = tuple(PeerUrl("", f"192.0.2.{number}", 9651, KEY) for number in range(1, 9))
    written = str(JoinUri((HUB, *others), "corp", TOKEN))
    assert len(written) <= JOIN_URI_CHARACTERS
    assert written.count(KEY.hex()) == 1
    assert JoinUri.parse(written).peers == (HUB, *others[:2])


def test_a_network_may_have_no_name_or_one_that_takes_quoting() -> None:
    for name in ("", "ours & 100%=ü"):
        assert JoinUri.parse(str(JoinUri((HUB,), name, TOKEN))).network_name == name


def test_a_long_name_gives_way_and_a_long_host_is_refused() -> None:
    assert JoinUri.parse(str(JoinUri((HUB,), "n" * 64, TOKEN))).network_name == ""
    with pytest.raises(ConfigError, match="too long for an invitation: name a shorter host"):
        str(JoinUri((PeerUrl("udp", "h" * 63 + "." + "h" * 40, 9651, KEY),), "", TOKEN))


def test_no_more_members_are_taken_than_fit() -> None:
    text = URI + "&p=192.0.2.1" * (PEERS_PER_URI + 3)
    assert len(JoinUri.parse(text).peers) == PEERS_PER_URI


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an invitation begins with 'mycelium:join?'"),
        ("https://example.org", "an invitation begins with"),
        (URI.partition("&")[0], "breaks off: quote it"),
        (URI.partition("&t=")[0], "breaks off: quote it"),
        ("mycelium:join?v=1&p", "has a part that is not 'name=value'"),
        (URI.replace("v=1", "v=2"), "is of version '2', and this mycelium knows 1 only"),
        (URI.replace("v=1&", ""), "says no version"),
        (URI.replace("%23" + KEY.hex(), ""), "names a member without its key"),
        (URI.replace("udp:", "ftp:"), "'ftp' is not one of the schemes"),
        (URI[:-1], "it has 21 characters, where there are 22"),
        (URI + "!", "it has 23 characters, where there are 22"),
        (URI + "&x=%ff", "has a part that is not 'name=value', in UTF-8"),
        (URI + quote("x") * 2_000, "an invitation begins with"),
    ],
)
def test_what_is_wrong_is_said_and_the_token_is_not(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        JoinUri.parse(text)
    assert told in str(refused.value)
    assert "AAECAwQ" not in str(refused.value)
