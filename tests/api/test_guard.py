import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.api_address import ApiAddress
from mycelium.api.guard import Guard
from mycelium.errors import ConfigError

UNIX = ApiAddress.parse("unix:/x")
LOOPBACK = ApiAddress()
PUBLIC = ApiAddress("0.0.0.0", 8989)


def status(
    guard: Guard,
    method: str = "POST",
    *,
    host: str | None = "127.0.0.1:8989",
    origin: str | None = None,
    authorization: str | None = None,
) -> int | None:
    refusal = guard.refusal(method, host=host, origin=origin, authorization=authorization)
    return None if refusal is None else refusal.status


def test_an_address_that_others_reach_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="needs --api-token-file"):
        Guard(PUBLIC, None)


def test_an_open_address_takes_every_caller_but_on_loopback_no_web_page() -> None:
    assert status(Guard(PUBLIC, None, is_open=True), host="node.example") is None
    assert status(Guard(LOOPBACK, None, is_open=True), host="node.example") == 403


@pytest.mark.parametrize(
    "host", [None, "localhost", "LOCALHOST:8989", "127.0.0.1", "127.1.2.3:1", "[::1]:8989", "[::1]"]
)
def test_local_programs_may_call_on_loopback(host: str | None) -> None:
    assert status(Guard(LOOPBACK, None), host=host) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8989", "127.0.0.1.evil.example", "localhost.evil.example", "192.0.2.1:8989"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_pointed_at_loopback_is_refused(host: str, method: str) -> None:
    assert status(Guard(LOOPBACK, None), method, host=host) == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_web_page_may_not_change_anything(origin: str) -> None:
    assert status(Guard(LOOPBACK, None), "POST", origin=origin) == 403
    assert status(Guard(LOOPBACK, None), "DELETE", origin=origin) == 403
    assert status(Guard(LOOPBACK, None), "GET", origin=origin) is None


def test_the_file_mode_alone_guards_a_unix_socket() -> None:
    assert status(Guard(UNIX, None), host="anything", origin="http://evil.example") is None


@pytest.mark.parametrize("address", [LOOPBACK, PUBLIC])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_with_a_token_set_every_call_on_tcp_needs_it(address: ApiAddress, method: str) -> None:
    guard = Guard(address, "secret")
    assert status(guard, method) == 401
    assert status(guard, method, authorization="Bearer secre") == 401
    assert status(guard, method, authorization="Bearer ") == 401
    assert status(guard, method, authorization="Basic secret") == 401
    assert status(guard, method, authorization="Bearer secret", host="mesh.example") is None


@given(host=st.text(), authorization=st.text())
def test_odd_headers_are_refused_not_fatal(host: str, authorization: str) -> None:
    assert status(Guard(PUBLIC, "\0secret"), host=host, authorization=authorization) == 401
    assert status(Guard(LOOPBACK, None), host=host) in (None, 403)
