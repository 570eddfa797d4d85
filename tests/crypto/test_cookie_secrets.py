from mycelium.crypto.cookie_secrets import COOKIE_SECRET_PERIOD_S, CookieSecrets
from tests.crypto.support import entropy_of


def test_a_cookie_is_of_one_address_and_one_node() -> None:
    ours, theirs = CookieSecrets(entropy_of(1)), CookieSecrets(entropy_of(2))
    cookies = [ours.cookie(b"a", now=0.0), ours.cookie(b"b", now=0.0), theirs.cookie(b"a", now=0.0)]
    assert len(set(cookies)) == 3


def test_a_cookie_is_good_for_the_period_of_its_secret_and_the_next() -> None:
    def is_good_after(age_s: float) -> list[bool]:
        secrets = CookieSecrets(entropy_of(1))
        cookie = secrets.cookie(b"a", now=0.0)
        return [cookie == one for one in secrets.cookies(b"a", now=age_s)]

    assert is_good_after(COOKIE_SECRET_PERIOD_S - 1) == [True, False]
    assert is_good_after(2 * COOKIE_SECRET_PERIOD_S - 1) == [False, True]
    assert is_good_after(2 * COOKIE_SECRET_PERIOD_S) == [False, False]


def test_no_cookie_outlives_two_periods_however_seldom_secrets_are_used() -> None:
    secrets = CookieSecrets(entropy_of(1))
    cookie = secrets.cookie(b"a", now=0.0)
    assert cookie in secrets.cookies(b"a", now=2 * COOKIE_SECRET_PERIOD_S - 1)
    assert cookie not in secrets.cookies(b"a", now=2 * COOKIE_SECRET_PERIOD_S + 1)
    late = secrets.cookie(b"a", now=5.9 * COOKIE_SECRET_PERIOD_S)
    assert late in secrets.cookies(b"a", now=6.1 * COOKIE_SECRET_PERIOD_S)
    assert late not in secrets.cookies(b"a", now=7.1 * COOKIE_SECRET_PERIOD_S)


def test_nobody_knows_the_secret_before_the_first() -> None:
    newer, older = CookieSecrets(entropy_of(1)).cookies(b"a", now=0.0)
    assert newer != older != CookieSecrets(entropy_of(2)).cookies(b"a", now=0.0)[1]
