"""What an attacker can do to an invitation; and that the search finds what is left out."""

import pytest

from mycelium.daemon.invitations import Invitation
from mycelium.wire.join import JoinStatus
from tests.prove.attacker import Broken
from tests.prove.handshakes import Variant
from tests.prove.joining import JOINS, JoinSearch, run_join_search

MOST = 400  # states of one search
BY_NAME = {one.name: one for one in JOINS}


@pytest.mark.parametrize("one", JOINS, ids=lambda one: one.name)
def test_all_promises_hold_whatever_an_attacker_does(one: JoinSearch) -> None:
    found = run_join_search(one, most=MOST)
    assert found.is_complete or found.states >= MOST


@pytest.mark.parametrize(
    ("left_out", "name", "broken"),
    [
        (Variant(exchange=2), "all keys and the token revealed late", "network's key is known"),
        (Variant(has_psk=False), "the keys of all nodes known", "X25519 secrets has"),
        (Variant(exchange=0), "the token and the invited node's key known", "takes another's answer"),
        (Variant(exchange=1), "the token known", "has not asked"),
        (Variant(exchange=3), "the token and the member's key known", "network's key is known"),
    ],
)
def test_what_is_left_out_is_missed(left_out: Variant, name: str, broken: str) -> None:
    with pytest.raises(Broken, match=broken):
        run_join_search(BY_NAME[f"join, {name}"], left_out, most=10_000)


def test_a_token_that_is_taken_again_and_again_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Invitation, "judge", lambda self, key, *, at: JoinStatus.GRANTED)
    with pytest.raises(Broken, match="let in two nodes"):
        run_join_search(BY_NAME["join, two nodes with one token"], most=MOST)
