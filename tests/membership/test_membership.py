"""What a member judges by: the time, who was removed, and for which node a certificate is."""

import pytest

from mycelium.errors import NotAMember
from mycelium.identity import Identity
from mycelium.membership.certificates import SKEW_S
from mycelium.membership.membership import Membership
from mycelium.wire.membership import Chain, Credentials
from tests.support.members import DAY_S, OTHER_ROOT, PRIMITIVES, ROOT_KEY, START, certificate, invited, removals

MEMBER, DELEGATE, OTHER = (Identity(name * 32) for name in (b"m", b"d", b"x"))


def membership() -> Membership:
    return Membership(Credentials(ROOT_KEY, Chain(certificate(OTHER))), PRIMITIVES, offset_s=START)


def test_a_member_is_one_until_its_certificate_ends_by_this_nodes_clock() -> None:
    own, chain = membership(), Chain(certificate(MEMBER, end=START + DAY_S))
    assert own.check_claims(chain, MEMBER.address, now=DAY_S + SKEW_S).until == START + DAY_S + SKEW_S
    own.offset_s += 10  # the clock was set
    with pytest.raises(NotAMember, match="expired"):
        own.check_claims(chain, MEMBER.address, now=DAY_S + SKEW_S)
    own.check_signatures(chain)


def test_a_certificate_is_bound_to_the_key_that_the_handshake_proved() -> None:
    with pytest.raises(NotAMember, match="another node's"):
        membership().check_claims(Chain(certificate(MEMBER)), OTHER.address, now=0.0)


def test_who_was_removed_is_no_member_and_whom_it_has_made_neither() -> None:
    own = membership()
    chain = invited(MEMBER, DELEGATE)
    assert own.take(removals(1, DELEGATE))
    assert own.has_removed(DELEGATE.address)
    assert not own.has_removed(MEMBER.address)
    with pytest.raises(NotAMember, match="the member who issued its certificate was removed"):
        own.check_claims(chain, MEMBER.address, now=0.0)
    assert own.take(removals(2, MEMBER))
    with pytest.raises(NotAMember, match="it was removed"):
        own.check_claims(chain, MEMBER.address, now=0.0)


def test_a_list_is_taken_if_it_is_newer_and_signed() -> None:
    own = membership()
    assert own.take(removals(2, MEMBER))
    for stale in (removals(2, OTHER), removals(1), removals(3, OTHER, root=OTHER_ROOT)):
        assert not own.take(stale)
    assert [(one.sequence, one.subnets) for one in own.removals.values()] == [(2, (MEMBER.address[:8],))]


def test_parts_are_taken_each_by_its_own_version_and_all_hold_together() -> None:
    own = membership()
    assert own.take(removals(7, MEMBER))
    assert own.take(removals(3, OTHER, part=5))
    assert own.removed == {MEMBER.address[:8], OTHER.address[:8]}
    assert own.take(removals(8))
    assert not own.is_newer(removals(3, MEMBER, part=5))
    assert own.removed == {OTHER.address[:8]}
