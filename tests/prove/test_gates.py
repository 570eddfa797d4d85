"""What a stranger can do at the gates of a private network; and that the search finds what is left out."""

import pytest

from mycelium.crypto import cookies
from mycelium.crypto.cookie_secrets import CookieSecrets
from mycelium.crypto.cookies import HandshakeGate
from tests.prove.attacker import Broken
from tests.prove.gates import search_gates

DEPTH = 4


def test_nothing_is_answered_that_should_not_be() -> None:
    assert search_gates(depth=3).ends > 5


def test_recordings_are_answered_again_by_a_gate_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HandshakeGate, "_remember", lambda self, key: None)
    with pytest.raises(Broken, match="answered twice"):
        search_gates(depth=DEPTH)


@pytest.mark.parametrize("left_out", ["responder", "period"])
def test_recordings_are_answered_where_mac_1_binds_less(left_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cookies._mac_1_key

    def careless(psk: bytes, responder: bytes, period: int) -> bytes:
        if left_out == "responder":
            return whole(psk, bytes(32), period)
        return whole(psk, responder, period if period == cookies.ASKING else 0)

    monkeypatch.setattr(cookies, "_mac_1_key", careless)
    with pytest.raises(Broken, match="a recording is answered"):
        search_gates(depth=DEPTH)


def test_cookies_go_round_where_they_bind_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CookieSecrets.cookies
    monkeypatch.setattr(CookieSecrets, "cookies", lambda self, address, *, now: whole(self, b"", now=now))
    with pytest.raises(Broken, match="a cookie that"):
        search_gates(depth=DEPTH)


def test_strangers_are_answered_where_mac_1_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies, "_mac", lambda digest, key: bytes(4))
    with pytest.raises(Broken, match="nobody has made"):
        search_gates(depth=DEPTH)
