"""Calls for what only the Rust implementation has are answered by a sentence, or done where there is nothing to do."""

import pytest

from mycelium.api.foreign_calls import MESSAGES, PROXIES, foreign_answer
from mycelium.api.http import Request, error
from tests.api.support import LOOPBACK, Call, calling


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/messages", 501, MESSAGES),
        ("POST", "/messages", 501, MESSAGES),
        ("POST", "/messages/reply/0011", 501, MESSAGES),
        ("PUT", "/messages/topics/default", 501, MESSAGES),
        ("POST", "/admin/proxy", 501, PROXIES),
        ("DELETE", "/admin/proxy", 204, None),
        ("GET", "/admin/proxy/probe", 501, PROXIES),
        ("DELETE", "/admin/proxy/probe", 204, None),
        ("PUT", "/admin/proxy/probe", 405, "Method Not Allowed"),
        ("PUT", "/admin/proxy", 405, "Method Not Allowed"),
        ("GET", "/messagesx", 404, "Not Found"),
    ],
)
def test_a_call_has_its_answer(method: str, path: str, status: int, reason: str | None) -> None:
    async def talk(call: Call) -> None:
        assert await call(method, path) == (status, None if reason is None else {"error": reason})

    calling(LOOPBACK, talk)


def test_no_call_of_ours_is_foreign() -> None:
    assert foreign_answer(Request("GET", "/api/v1/admin/peers", {}, {})) is None
    assert foreign_answer(Request("GET", "/api/v1/messages", {}, {})) == error(501, MESSAGES)
