"""Certificates: who may issue which, when they hold, and that none survives a change of a bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError, NotAMember
from mycelium.identity import Identity
from mycelium.membership.certificates import SKEW_S, are_signed, check_chain
from mycelium.wire.membership import CERTIFICATE_BYTES, Chain, Removals, decode_chain, encode_chain
from tests.support.members import DAY_S, OTHER_ROOT, ROOT, START, certificate, removals

MEMBER, DELEGATE, PLAIN = (Identity(name * 32) for name in (b"m", b"d", b"p"))
INVITED = (certificate(MEMBER, DELEGATE), certificate(DELEGATE, may_issue=True))


def check(chain: Chain, *, at: float = START, root: Identity = ROOT) -> tuple[list[bytes], int]:
    return check_chain(chain, root.signing_public_key, at=at)


def test_the_root_key_makes_a_member_until_its_certificate_ends() -> None:
    chain = (certificate(MEMBER, end=START + 100),)
    assert check(chain) == ([MEMBER.address], START + 100 + SKEW_S)


def test_a_member_that_may_issue_makes_members_for_no_longer_than_itself() -> None:
    chain = (certificate(MEMBER, DELEGATE), certificate(DELEGATE, may_issue=True, end=START + 5))
    assert check(chain) == ([MEMBER.address, DELEGATE.address], START + 5 + SKEW_S)


def test_clocks_may_differ_by_five_minutes() -> None:
    chain = (certificate(MEMBER, begin=START, end=START + DAY_S),)
    for at in (START - SKEW_S, START + DAY_S + SKEW_S):
        check(chain, at=at)
    with pytest.raises(NotAMember, match="not valid yet"):
        check(chain, at=START - SKEW_S - 1)
    with pytest.raises(NotAMember, match="expired"):
        check(chain, at=START + DAY_S + SKEW_S + 1)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ((certificate(MEMBER, OTHER_ROOT),), "forged"),
        ((certificate(MEMBER, MEMBER),), "forged"),
        ((certificate(MEMBER, root=OTHER_ROOT),), "forged"),
        ((certificate(MEMBER, PLAIN), certificate(PLAIN)), "may not issue"),
        ((certificate(MEMBER, PLAIN), certificate(DELEGATE, may_issue=True)), "forged"),
        ((certificate(MEMBER, DELEGATE), certificate(DELEGATE, DELEGATE, may_issue=True)), "forged"),
        ((certificate(MEMBER, DELEGATE),), "forged"),
    ],
)
def test_nobody_else_makes_members(chain: Chain, reason: str) -> None:
    with pytest.raises(NotAMember, match=reason):
        check(chain)


def test_a_certificate_of_one_network_is_worth_nothing_in_another() -> None:
    with pytest.raises(NotAMember, match="not of this network"):
        check((certificate(MEMBER),), root=OTHER_ROOT)


@given(st.integers(0, 2 * 8 * CERTIFICATE_BYTES - 1))
def test_no_bit_of_a_chain_can_be_changed(bit: int) -> None:
    data = bytearray(encode_chain(INVITED))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotAMember):
        check(decode_chain(bytes(data)))


@given(st.binary(max_size=2 * CERTIFICATE_BYTES))
def test_any_bytes_make_nobody_a_member(data: bytes) -> None:
    with pytest.raises((DecodeError, NotAMember)):
        check(decode_chain(data))


def test_a_list_is_the_root_keys_alone() -> None:
    assert are_signed(removals(1, MEMBER), ROOT.signing_public_key)
    assert not are_signed(removals(1, MEMBER, root=OTHER_ROOT), ROOT.signing_public_key)
    signed = removals(1, MEMBER)
    assert not are_signed(Removals(0, 2, signed.subnets, signed.signature), ROOT.signing_public_key)
    assert not are_signed(Removals(1, 1, signed.subnets, signed.signature), ROOT.signing_public_key)
    assert not are_signed(Removals(0, 1, (), signed.signature), ROOT.signing_public_key)
