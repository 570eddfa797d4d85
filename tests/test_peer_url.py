import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from mycelium.peer_address import objection
from mycelium.peer_url import DEFAULT_PORT, PeerUrl

KEY = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
FINGERPRINT = bytes(range(16)).hex()


@pytest.mark.parametrize(
    ("text", "host", "port", "canonical"),
    [
        ("udp://198.51.100.7:9651", "198.51.100.7", 9651, "udp://198.51.100.7:9651"),
        ("udp://198.51.100.7", "198.51.100.7", DEFAULT_PORT, "udp://198.51.100.7:9651"),
        ("UDP://Relay.Example.ORG:1", "relay.example.org", 1, "udp://relay.example.org:1"),
        ("udp://localhost", "localhost", DEFAULT_PORT, "udp://localhost:9651"),
        ("udp://example.org.:7", "example.org.", 7, "udp://example.org.:7"),
        ("udp://[2001:DB8:0:0::1]:65535", "2001:db8::1", 65535, "udp://[2001:db8::1]:65535"),
        ("udp://[2001:db8::1]", "2001:db8::1", DEFAULT_PORT, "udp://[2001:db8::1]:9651"),
        ("udp://[fe80::1%eth0]:5", "fe80::1%eth0", 5, "udp://[fe80::1%eth0]:5"),
        ("udp://[::ffff:192.0.2.1]:5", "192.0.2.1", 5, "udp://192.0.2.1:5"),
        ("udp://[fe80::1%25]:5", "fe80::1%25", 5, "udp://[fe80::1%25]:5"),
        ("udp://München.Example:5", "xn--mnchen-3ya.example", 5, "udp://xn--mnchen-3ya.example:5"),
        ("udp://１９２.0.2.1:5", "192.0.2.1", 5, "udp://192.0.2.1:5"),  # noqa: RUF001 - as some keyboards write it
    ],
)
def test_each_way_to_write_a_host_has_one_canonical_form(text: str, host: str, port: int, canonical: str) -> None:
    url = PeerUrl.parse(text)
    assert (url.scheme, url.host, url.port, url.pin) == ("udp", host, port, None)
    assert str(url) == canonical
    assert PeerUrl.parse(canonical) == url


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("tls://host", "tls://host:9651"),
        ("tls://host/", "tls://host:9651"),
        ("udp://host/", "udp://host:9651"),
        ("wss://host", "wss://host:443"),
        ("wss://host/", "wss://host:443"),
        ("WSS://Host/Path", "wss://host:443/Path"),
        ("wss://[2001:db8::1]:8443/a/b?sni=Mesh.Example", "wss://[2001:db8::1]:8443/a/b?sni=mesh.example"),
        ("tls://192.0.2.1:443/?alpn=h2&sni=x", "tls://192.0.2.1:443?sni=x&alpn=h2"),
    ],
)
def test_what_stands_behind_the_port_is_a_site(text: str, canonical: str) -> None:
    url = PeerUrl.parse(f"{text}#{KEY}")
    assert str(url) == f"{canonical}#{KEY}"
    assert PeerUrl.parse(str(url)) == url


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Host", "host:9651"),
        ("host:7", "host:7"),
        ("192.0.2.1:7", "192.0.2.1:7"),
        ("[2001:DB8::1]", "[2001:db8::1]:9651"),
        ("[fe80::1%eth0]:7", "[fe80::1%eth0]:7"),
        (f"host:7#{KEY}", f"host:7#{KEY}"),
    ],
)
def test_a_peer_without_a_scheme_may_be_dialled_over_udp_and_tcp(text: str, canonical: str) -> None:
    url = PeerUrl.parse(text)
    assert str(url) == canonical
    assert PeerUrl.parse(canonical) == url
    assert url.schemes == ("udp", "tcp")
    assert PeerUrl.parse(f"tls://{text}").schemes == ("tls",)
    with pytest.raises(ConfigError, match="the scheme is missing"):
        PeerUrl.parse_listen(text)


def test_a_fingerprint_follows_the_key_behind_a_dot() -> None:
    url = PeerUrl.parse(f"udp://host:1#{KEY}.{FINGERPRINT.upper()}")
    assert (url.pin, url.fingerprint) == (bytes.fromhex(KEY), bytes.fromhex(FINGERPRINT))
    assert str(url) == f"udp://host:1#{KEY}.{FINGERPRINT}"


def test_a_pin_is_the_key_behind_the_hash_sign() -> None:
    url = PeerUrl.parse(f"udp://host:1#{KEY.upper()}")
    assert url.pin == bytes.fromhex(KEY)
    assert str(url) == f"udp://host:1#{KEY}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the host is missing"),
        (":9651", "the host is missing"),
        ("udp:/host:9651", "port from 1 to 65535"),
        ("host:9651/path", "only wss:// can have a path"),
        ("host:9651?sni=x", "only tls:// and wss:// can have '?' and more"),
        ("2001:db8::1", "an IPv6 address belongs in brackets"),
        ("://host:9651", "'' is not one of the schemes"),
        ("sctp://host:9651", "'sctp' is not one of the schemes udp, quic, tcp, tls, wss"),
        ("udp://", "the host is missing"),
        ("udp://:9651", "the host is missing"),
        ("udp://host:", "port from 1 to 65535"),
        ("udp://host:0", "port 0"),
        ("udp://host:65536", "port from 1 to 65535"),
        ("udp://host:+1", "port from 1 to 65535"),
        ("udp://host:\uff19", "port from 1 to 65535"),
        ("udp://host:1/path", "only wss:// can have a path"),
        ("tcp://host?sni=x", "only tls:// and wss:// can have '?' and more"),
        ("tls://host:1/path", "only wss:// can have a path"),
        ("wss://host/a b", "'/a b' is not a valid path"),
        ("tls://host?name=x", "only sni=NAME and alpn=PROTOCOL are known"),
        ("udp://user@host", "not a valid host name"),
        ("udp://ho st", "not a valid host name"),
        ("udp://-host", "not a valid host name"),
        ("udp://a..b", "not a valid host name"),
        ("udp://mün chen.example", "not a valid host name"),
        ("udp://" + "é" * 70, "not a valid host name"),
        ("udp://\ud800.example", "not a valid host name"),
        ("udp://0.0.0.0", "means every address"),
        ("udp://[::]", "means every address"),
        ("udp://[::ffff:0.0.0.0]", "means every address"),
        ("udp://239.1.2.3", "multicast"),
        ("udp://[ff02::1%eth0]", "multicast"),
        ("udp://255.255.255.255", "broadcast"),
        ("udp://[::ffff:255.255.255.255]", "broadcast"),
        ("tcp://[4ab:cdef::1]:9651", "lies in the overlay"),
        ("udp://[2001:db8::1%eth0]", "only a link-local address"),
        ("udp://[::ffff:192.0.2.1%eth0]", "only a link-local address"),
        ("udp://[fe80::1%25eth0]:1", "write '%eth0'"),
        ("udp://" + "a" * 64, "not a valid host name"),
        ("udp://" + "a." * 127, "not a valid host name"),
        ("udp://1.2.3", "not an IPv4 address"),
        ("udp://1.2.3.256", "not an IPv4 address"),
        ("udp://2001:db8::1", "belongs in brackets"),
        ("udp://[2001:db8::1", "written [address]:port"),
        ("udp://[2001:db8::1]9651", "written [address]:port"),
        ("udp://[2001:db8::g]", "not an IPv6 address"),
        ("udp://[1.2.3.4]", "not an IPv6 address"),
        ("udp://[fe80::1]:1", "needs its interface"),
        ("udp://[fe80::1%]:1", "the name of an interface"),
        ("udp://[fe80::1%an-interface-too-long]:1", "the name of an interface"),
        ("udp://host:1#", "64 hex digits"),
        (f"udp://host:1#{KEY}.", "with or without '.' and a fingerprint of 32"),
        (f"udp://host:1#{KEY}.{FINGERPRINT[1:]}", "a fingerprint of 32"),
        (f"udp://host:1#{KEY}{FINGERPRINT}", "a fingerprint of 32"),
        ("udp://host:1#" + KEY[:-1], "64 hex digits"),
        ("udp://host:1#" + KEY[:-1] + "g", "64 hex digits"),
    ],
)
def test_each_mistake_is_told_in_words(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PeerUrl.parse(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text", ["udp://[::]:9651", "tcp://[::]:9651", "udp://0.0.0.0:0", "udp://[fe80::1%eth0]:1", "udp://127.0.0.1"]
)
def test_listening_takes_addresses_and_port_zero(text: str) -> None:
    assert PeerUrl.parse_listen(text).is_numeric


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("wss://[::]:443", "a listener for tcp:// takes tls:// and wss:// as well"),
        ("udp://name:1", "not a name"),
        (f"udp://[::]:1#{KEY}", "may have a public key"),
        ("udp://[4ab:cdef::1]:1", "lies in the overlay"),
        ("tcp://224.0.0.1:1", "multicast"),
        ("udp://[fe80::1]:1", "needs its interface"),
    ],
)
def test_listening_takes_no_name_no_pin_and_no_address_that_is_not_a_host_s(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        PeerUrl.parse_listen(text)


def test_a_huge_url_is_not_repeated_in_full() -> None:
    with pytest.raises(ConfigError) as caught:
        PeerUrl.parse("udp://" + "[" * 100_000)
    assert len(str(caught.value)) < 300


@given(st.text() | st.text(alphabet="udp:/[]%#.-0123456789abcf ").map("udp://".__add__))
def test_any_text_is_a_canonical_url_or_a_config_error(text: str) -> None:
    try:
        url = PeerUrl.parse(text)
    except ConfigError:
        return
    assert PeerUrl.parse(str(url)) == url


LABELS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)


@given(
    host=st.lists(LABELS, min_size=1, max_size=5).map(lambda labels: ".".join([*labels, "x"]))
    | st.ip_addresses(v=4).map(str).filter(lambda host: objection(host) is None),
    port=st.integers(1, 65_535),
    pin=st.none() | st.binary(min_size=32, max_size=32),
    fingerprint=st.none() | st.binary(min_size=16, max_size=16),
)
def test_what_is_printed_is_parsed_back(host: str, port: int, pin: bytes | None, fingerprint: bytes | None) -> None:
    url = PeerUrl("udp", host.lower(), port, pin, fingerprint=fingerprint if pin else None)
    assert PeerUrl.parse(str(url)) == url
