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
    site: str | None = None,
    mode: str | None = None,
    is_public: bool = False,
) -> int | None:
    given = {
        "host": host,
        "origin": origin,
        "authorization": authorization,
        "sec-fetch-site": site,
        "sec-fetch-mode": mode,
    }
    headers = {name: value for name, value in given.items() if value is not None}
    refusal = guard.refusal(method, headers, is_public=is_public)
    return None if refusal is None else refusal.status


def test_what_is_for_the_owner_alone_takes_a_unix_socket_or_a_token() -> None:
    assert Guard(UNIX, None).is_private
    assert Guard(LOOPBACK, "secret").is_private
    assert not Guard(LOOPBACK, None).is_private


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
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_a_foreign_web_page_may_call_nothing(origin: str, method: str) -> None:
    assert status(Guard(LOOPBACK, None), method, origin=origin) == 403
    assert status(Guard(LOOPBACK, None), method, origin=origin, is_public=True) == 403


def test_the_own_page_may_look_and_change_nothing() -> None:
    guard, own = Guard(LOOPBACK, None), "http://127.0.0.1:8989"
    assert status(guard, "GET", host="127.0.0.1:8989", origin=own, site="same-origin") is None
    assert status(guard, "POST", host="127.0.0.1:8989", origin=own, site="same-origin") == 403
    assert status(guard, "GET", host="127.0.0.1:8989", origin="http://127.0.0.1:80") == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_page_can_lead_here_and_include_nothing(site: str) -> None:
    """Browsers send no Origin with the request for an image or a script."""
    assert status(Guard(LOOPBACK, None), "GET", site=site, mode="no-cors") == 403
    assert status(Guard(LOOPBACK, None), "GET", site=site, mode="navigate") is None
    assert status(Guard(LOOPBACK, None), "GET", site="none", mode="navigate") is None


def test_with_a_token_set_the_files_of_the_page_need_none() -> None:
    assert status(Guard(PUBLIC, "secret"), "GET", host="mesh.example", is_public=True) is None
    assert status(Guard(PUBLIC, "secret"), "GET", host="mesh.example") == 401


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
