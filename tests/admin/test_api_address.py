import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.api_address import ApiAddress
from mycelium.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "address", "is_loopback"),
    [
        ("127.0.0.1:8989", ApiAddress(), True),
        ("127.9.9.9:0", ApiAddress("127.9.9.9", 0), True),
        ("[::1]:8989", ApiAddress("::1", 8989), True),
        ("0.0.0.0:80", ApiAddress("0.0.0.0", 80), False),
        ("[2001:db8::1]:80", ApiAddress("2001:db8::1", 80), False),
        ("unix:/run/mycelium/api.sock", ApiAddress("", 0, "/run/mycelium/api.sock"), True),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: ApiAddress, is_loopback: bool) -> None:
    assert ApiAddress.parse(text) == address
    assert str(address) == text
    assert address.is_loopback is is_loopback


def test_localhost_is_written_as_its_address() -> None:
    assert ApiAddress.parse("localhost:1") == ApiAddress("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write host:port"),
        ("8989", "write host:port"),
        ("127.0.0.1", "write host:port"),
        ("127.0.0.1:65536", "write host:port"),
        ("host:1", "not an IP address"),
        ("::1:1", "in brackets"),
        ("[127.0.0.1]:1", "in brackets"),
        ("unix:", "must be absolute"),
        ("unix:run/x", "must be absolute"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
    ],
)
def test_each_mistake_is_told_in_words(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ApiAddress.parse(text)
    assert reason in str(caught.value)


@given(st.text() | st.text().map("unix:/".__add__) | st.text(alphabet="[]:.0123456789abcf%"))
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    try:
        address = ApiAddress.parse(text)
    except ConfigError:
        return
    assert ApiAddress.parse(str(address)) == address
