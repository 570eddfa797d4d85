"""Tokens prove an address, for a while and for one connection."""

from mycelium.transport.quic.tokens import TOKEN_S, RetryTokens

ADDRESS = ("192.0.2.1", 9651)
CHOSEN = b"chosen.."


def test_a_token_returns_what_it_was_made_of_to_its_address_for_a_while() -> None:
    tokens = RetryTokens()
    token = tokens.make(ADDRESS, b"original", CHOSEN, now=5.0)
    assert tokens.check(ADDRESS, CHOSEN, token, now=5.0 + TOKEN_S) == b"original"
    assert tokens.check(ADDRESS, CHOSEN, token, now=5.1 + TOKEN_S) is None
    assert tokens.check(("192.0.2.1", 9652), CHOSEN, token, now=5.0) is None
    assert tokens.check(("192.0.2.2", 9651), CHOSEN, token, now=5.0) is None
    assert tokens.check(ADDRESS, b"another.", token, now=5.0) is None
    assert RetryTokens().check(ADDRESS, CHOSEN, token, now=5.0) is None


def test_no_altered_or_truncated_token_is_good() -> None:
    tokens = RetryTokens()
    token = tokens.make(ADDRESS, b"original", CHOSEN, now=5.0)
    for at in range(len(token)):
        altered = token[:at] + bytes((token[at] ^ 1,)) + token[at + 1 :]
        assert tokens.check(ADDRESS, CHOSEN, altered, now=5.0) is None
        assert tokens.check(ADDRESS, CHOSEN, token[:at], now=5.0) is None
