"""Certificates: who may issue which, when they hold, and that none survives a change of a bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mycelium.errors import DecodeError, NotAMember
from mycelium.identity import SIGNATURE_BYTES, Identity
from mycelium.membership.certificates import SKEW_S, Claims, are_signed, check_claims, check_signatures
from mycelium.wire.membership import CHAIN_BYTES, Chain, Removals, decode_chain, encode_chain
from tests.support.members import (
    DAY_S,
    OTHER_ROOT,
    PRIMITIVES,
    ROOT,
    ROOT_KEY,
    START,
    certificate,
    holder_of,
    invited,
    key_of,
    removals,
)

MEMBER, DELEGATE, PLAIN = (Identity(name * 32) for name in (b"m", b"d", b"p"))
IMPORTED = Identity.of_exchange_secret(b"i" * 32)
INVITED = invited(MEMBER, DELEGATE)


def check(chain: Chain, *, at: float = START, root: Identity = ROOT) -> Claims:
    claims = check_claims(chain, at=at)
    check_signatures(chain, key_of(root), PRIMITIVES)
    return claims


def test_the_root_key_makes_a_member_until_its_certificate_ends() -> None:
    chain = Chain(certificate(MEMBER, end=START + 100))
    assert check(chain) == Claims((MEMBER.address,), holder_of(MEMBER).fingerprint, START + 100 + SKEW_S)


def test_a_member_that_may_issue_makes_members_for_no_longer_than_itself() -> None:
    chain = invited(MEMBER, DELEGATE, certificate(DELEGATE, may_issue=True, end=START + 5))
    claims = Claims((MEMBER.address, DELEGATE.address), holder_of(MEMBER).fingerprint, START + 5 + SKEW_S)
    assert check(chain) == claims


def test_a_node_whose_key_was_imported_is_a_member_without_a_fingerprint() -> None:
    assert check(Chain(certificate(IMPORTED))).fingerprint is None


def test_clocks_may_differ_by_five_minutes() -> None:
    chain = Chain(certificate(MEMBER, begin=START, end=START + DAY_S))
    for at in (START - SKEW_S, START + DAY_S + SKEW_S):
        check(chain, at=at)
    with pytest.raises(NotAMember, match="not valid yet"):
        check(chain, at=START - SKEW_S - 1)
    with pytest.raises(NotAMember, match="expired"):
        check(chain, at=START + DAY_S + SKEW_S + 1)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (Chain(certificate(MEMBER, OTHER_ROOT)), "forged"),
        (Chain(certificate(MEMBER, MEMBER)), "forged"),
        (Chain(certificate(MEMBER, root=OTHER_ROOT)), "forged"),
        (invited(MEMBER, PLAIN, certificate(PLAIN)), "may not issue"),
        (invited(MEMBER, PLAIN, certificate(DELEGATE, may_issue=True)), "another ML-DSA key"),
        (replace(INVITED, own=certificate(MEMBER, PLAIN)), "forged"),
        (invited(MEMBER, DELEGATE, certificate(DELEGATE, DELEGATE, may_issue=True)), "forged"),
        (replace(INVITED, issuer_proof_key=key_of(PLAIN).proof_key), "another ML-DSA key"),
        (replace(INVITED, issuer=certificate(IMPORTED, may_issue=True)), "another ML-DSA key"),
        (Chain(certificate(MEMBER, DELEGATE)), "forged"),
    ],
)
def test_nobody_else_makes_members(chain: Chain, reason: str) -> None:
    with pytest.raises(NotAMember, match=reason):
        check(chain)


def with_half_of(signature: bytes, other: bytes, *, is_first: bool) -> bytes:
    """Returns a signature whose first or second half is that of another one."""
    first, second = (other, signature) if is_first else (signature, other)
    return first[:SIGNATURE_BYTES] + second[SIGNATURE_BYTES:]


@pytest.mark.parametrize("is_first", [True, False], ids=["Ed25519", "ML-DSA"])
def test_who_has_broken_one_kind_of_keys_makes_no_member_and_removes_nobody(*, is_first: bool) -> None:
    right, forged = certificate(MEMBER), certificate(MEMBER, OTHER_ROOT)
    half = with_half_of(forged.signature, right.signature, is_first=is_first)
    with pytest.raises(NotAMember, match="forged"):
        check(Chain(replace(right, signature=half)))
    own, false = certificate(MEMBER, DELEGATE), certificate(MEMBER, PLAIN)
    half = with_half_of(false.signature, own.signature, is_first=is_first)
    with pytest.raises(NotAMember, match="forged"):
        check(replace(INVITED, own=replace(own, signature=half)))
    genuine, made_up = removals(1, MEMBER), removals(1, MEMBER, root=OTHER_ROOT)
    half = with_half_of(made_up.signature, genuine.signature, is_first=is_first)
    assert not are_signed(replace(genuine, signature=half), ROOT_KEY, PRIMITIVES)


def test_a_certificate_of_one_network_is_worth_nothing_in_another() -> None:
    with pytest.raises(NotAMember, match="not of this network"):
        check(Chain(certificate(MEMBER)), root=OTHER_ROOT)


@given(st.integers(0, 8 * CHAIN_BYTES - 1))
def test_no_bit_of_a_chain_can_be_changed(bit: int) -> None:
    data = bytearray(encode_chain(INVITED))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotAMember):
        check(decode_chain(bytes(data)))


@given(st.binary(max_size=CHAIN_BYTES))
def test_any_bytes_make_nobody_a_member(data: bytes) -> None:
    with pytest.raises((DecodeError, NotAMember)):
        check(decode_chain(data))


def test_a_list_is_the_root_keys_alone() -> None:
    assert are_signed(removals(1, MEMBER), ROOT_KEY, PRIMITIVES)
    assert not are_signed(removals(1, MEMBER, root=OTHER_ROOT), ROOT_KEY, PRIMITIVES)
    signed = removals(1, MEMBER)
    assert not are_signed(Removals(0, 2, signed.subnets, signed.signature), ROOT_KEY, PRIMITIVES)
    assert not are_signed(Removals(1, 1, signed.subnets, signed.signature), ROOT_KEY, PRIMITIVES)
    assert not are_signed(Removals(0, 1, (), signed.signature), ROOT_KEY, PRIMITIVES)
