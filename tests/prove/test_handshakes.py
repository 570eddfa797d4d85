"""What an attacker can do to handshakes, exhaustively within bounds; and that the searches find what is left out."""

import pytest

from tests.prove.attacker import Broken
from tests.prove.handshakes import HandshakeSearch, Variant, run_search

MOST = 3_000  # states of one search
LINK = ("link a>b", "link b")
SESSION = ("session a>b", "session b")


@pytest.mark.parametrize(
    "one",
    [
        HandshakeSearch("link", LINK, early="a"),
        HandshakeSearch("private link", ("link a>", "link b"), is_private=True, early="ab"),
        HandshakeSearch("session", SESSION, early="b"),
        HandshakeSearch("private session", SESSION, is_private=True, early="ab"),
    ],
    ids=lambda one: one.name,
)
def test_all_promises_hold_whatever_an_attacker_does(one: HandshakeSearch) -> None:
    found = run_search(one, most=MOST)
    assert found.is_complete
    assert found.ends > 0, "no run has come to its end, so nothing was checked"


@pytest.mark.parametrize(
    ("left_out", "one", "broken"),
    [
        (
            Variant(exchange=0, has_kem=False),
            HandshakeSearch("ee, ekem1", LINK, late="ab", lemmas=("secrecy",)),
            "secrecy",
        ),
        (Variant(exchange=1), HandshakeSearch("es", LINK), "secrecy"),
        (Variant(exchange=2), HandshakeSearch("se", LINK), "secrecy"),
        (Variant(has_kem=False), HandshakeSearch("ekem1", LINK), "quantum"),
        (Variant(binds=False), HandshakeSearch("hash", LINK), "agreement"),
        (Variant(has_psk=False), HandshakeSearch("psk", ("link a>", "link b"), is_private=True), "secrecy"),
        (Variant(has_kem=False), HandshakeSearch("ekem1, proved", LINK, early="ab", lemmas=("proofs",)), "proofs"),
    ],
    ids=lambda one: one.name if isinstance(one, HandshakeSearch) else "",
)
def test_what_is_left_out_of_a_link_handshake_is_missed(left_out: Variant, one: HandshakeSearch, broken: str) -> None:
    with pytest.raises(Broken, match=f"^{broken}"):
        run_search(one, left_out, most=MOST)


@pytest.mark.parametrize(
    ("left_out", "one", "broken"),
    [
        (Variant(exchange=0), HandshakeSearch("es", SESSION), "identities"),
        (Variant(exchange=1), HandshakeSearch("ss", SESSION), "requests"),
        (
            Variant(exchange=2, has_kem=False),
            HandshakeSearch("ee, ekem1", SESSION, late="ab", lemmas=("secrecy",)),
            "secrecy",
        ),
        (Variant(exchange=3), HandshakeSearch("se", SESSION, early="b"), "secrecy"),
        (Variant(has_kem=False), HandshakeSearch("ekem1", SESSION), "quantum"),
        (Variant(binds=False), HandshakeSearch("hash", SESSION), "requests"),
        (Variant(has_psk=False), HandshakeSearch("psk", SESSION, is_private=True, early="ab"), "secrecy"),
        (Variant(has_kem=False), HandshakeSearch("ekem1, proved", SESSION, early="ab", lemmas=("proofs",)), "proofs"),
    ],
    ids=lambda one: one.name if isinstance(one, HandshakeSearch) else "",
)
def test_what_is_left_out_of_a_session_handshake_is_missed(
    left_out: Variant, one: HandshakeSearch, broken: str
) -> None:
    with pytest.raises(Broken, match=f"^{broken}"):
        run_search(one, left_out, most=MOST)


@pytest.mark.parametrize("left_out", [Variant(exchange=0), Variant(has_kem=False)], ids=["X25519", "ML-KEM"])
def test_either_of_both_ephemeral_exchanges_keeps_old_keys_secret(left_out: Variant) -> None:
    one = HandshakeSearch("", LINK, late="ab", lemmas=("secrecy",))
    assert run_search(one, left_out, most=200).ends > 10
