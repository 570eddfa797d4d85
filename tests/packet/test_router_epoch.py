"""What a router announces, and which of it is news."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.packet.router_epoch import RouterEpoch, announced_epoch


def by_pcp(epoch: int, *, head: bytes = b"\x02\x80\0\0") -> bytes:
    return head + bytes(4) + epoch.to_bytes(4, "big") + bytes(12)


def by_nat_pmp(epoch: int, *, head: bytes = b"\0\x80\0\0") -> bytes:
    return head + epoch.to_bytes(4, "big") + bytes((192, 0, 2, 1))


def test_both_protocols_announce_the_seconds_since_the_state_was_lost() -> None:
    assert announced_epoch(by_pcp(7)) == announced_epoch(by_nat_pmp(7)) == 7
    assert announced_epoch(by_pcp(9) + b"option..") == 9


@pytest.mark.parametrize(
    "data",
    [
        b"",
        by_pcp(7)[:-1],
        by_pcp(7, head=b"\x02\0\0\0"),  # a request
        by_pcp(7, head=b"\x02\x81\0\0"),  # an answer to another one
        by_pcp(7, head=b"\x02\x80\0\x01"),  # an error
        by_nat_pmp(7) + b"x",
        by_nat_pmp(7, head=b"\0\x81\0\0"),
        by_nat_pmp(7, head=b"\0\x80\0\x03"),
    ],
)
def test_other_datagrams_announce_nothing(data: bytes) -> None:
    with pytest.raises(DecodeError):
        announced_epoch(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_an_announcement_or_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert 0 <= announced_epoch(data) < 1 << 32


@pytest.mark.parametrize(
    ("epoch", "passed", "is_news"),
    [
        (1_000, 0.0, False),
        (1_100, 100.0, False),
        (999, 0.0, False),  # overtaken
        (998, 0.0, True),
        (0, 60.0, True),
        (1_003, 1.0, False),
        (1_010, 1.0, True),  # another clock
        (1_100, 95.0, False),
        (1_100, 120.0, True),  # it restarted long ago, and has counted since
    ],
)
def test_a_clock_that_goes_on_is_no_news(epoch: int, passed: float, is_news: bool) -> None:
    router = RouterEpoch()
    assert router.has_restarted(1_000, now=50.0)
    assert router.has_restarted(epoch, now=50.0 + passed) is is_news
