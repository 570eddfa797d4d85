"""How operators write a proxy, and what they are told of their mistakes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.corp:3128", ProxyUrl("http", "proxy.corp", 3128)),
        ("HTTP://Proxy.Corp:3128/", ProxyUrl("http", "proxy.corp", 3128)),
        ("socks5://[2001:db8::1]:1080", ProxyUrl("socks5", "2001:db8::1", 1080)),
        ("socks5://127.0.0.1:9050", ProxyUrl("socks5", "127.0.0.1", 9050)),
        ("http://me:s%40c:r%2Ft@proxy:80", ProxyUrl("http", "proxy", 80, ("me", "s@c:r/t"))),
        ("http://me:p@ss@proxy:80", ProxyUrl("http", "proxy", 80, ("me", "p@ss"))),
    ],
)
def test_a_proxy_is_written_as_elsewhere(text: str, proxy: ProxyUrl) -> None:
    assert ProxyUrl.parse(text) == proxy


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it begins with http:// or socks5://"),
        ("proxy:3128", "it begins with http:// or socks5://"),
        ("https://proxy:3128", "'https://proxy:3128' is not a valid proxy: it begins with http:// or socks5://"),
        ("http://proxy", "the port is missing"),
        ("http://proxy:0", "the port is missing"),
        ("http://:80", "the host is missing"),
        ("http://proxy:80/path", "port from 1 to 65535"),
        ("http://me@proxy:80", "as in user:password@host:port"),
        ("http://:secret@proxy:80", "as in user:password@host:port"),
        ("http://me:@proxy:80", "as in user:password@host:port"),
        ("http://me:" + "x" * 256 + "@proxy:80", "as in user:password@host:port"),
        ("http://m%3Ae:secret@proxy:80", "the user has a ':'"),
        ("http://me:secret%0d%0aX-A: b@proxy:80", "the password a letter that can't be sent"),
    ],
)
def test_each_mistake_is_told_in_words(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ProxyUrl.parse(text)
    assert reason in str(caught.value)


@given(st.text() | st.text(alphabet="htpsock5:/@%[].0123456789ab").map("http://".__add__))
def test_any_text_is_a_proxy_or_an_error(text: str) -> None:
    try:
        proxy = ProxyUrl.parse(text)
    except ConfigError:
        return
    assert proxy.port > 0


@pytest.mark.parametrize("address", ["", "proxy", "proxy:x", "proxy:80/x", "[::1", "[::1]", "1.2.3:80", "a b:80"])
def test_a_password_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ProxyUrl.parse(f"http://me:secret@{address}")
    assert "secret" not in str(caught.value)


def test_a_proxy_is_shown_without_its_password() -> None:
    assert ProxyUrl.parse("socks5://me:secret@[::1]:1").without_password() == "socks5://***@[::1]:1"
    assert ProxyUrl.parse("http://proxy:3128").without_password() == "http://proxy:3128"
