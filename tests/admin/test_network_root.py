"""The root of a network: whom it admits and removes, and the file that it is kept in."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from mycelium.admin.network_root import DAY_S, NetworkRoot, RemovedNode, create_root, read_root, write_root
from mycelium.admin.private_file import create_private
from mycelium.errors import ConfigError, LocalError
from mycelium.identity import Identity
from mycelium.limits import MEMBER_DAYS, REMOVAL_PARTS, REMOVED_PER_PART
from mycelium.membership.certificates import INVITED_S, Holder, are_signed, check_claims, check_signatures
from mycelium.wire.membership import Removals
from tests.support.members import PRIMITIVES, START, holder_of, key_of

MEMBER, OTHER, THIRD = Identity(b"m" * 32), Identity(b"x" * 32), Identity(b"t" * 32)


def root() -> NetworkRoot:
    return NetworkRoot(seed=b"r" * 32, key=b"k" * 32)


def unsigned(removals: list[Removals]) -> list[Removals]:
    """Returns parts without their signatures: those by ML-DSA differ each time."""
    return [replace(one, signature=b"") for one in removals]


def test_who_is_admitted_is_a_member_for_so_many_days() -> None:
    made = root().admit(holder_of(MEMBER), at=START, days=2, may_invite=False)
    assert made.root == key_of(Identity(b"r" * 32))
    claims = check_claims(made.chain, at=START - 300)
    check_signatures(made.chain, made.root, PRIMITIVES)
    assert (claims.addresses, claims.fingerprint) == ((MEMBER.address,), holder_of(MEMBER).fingerprint)
    assert START + 2 * DAY_S <= claims.until < START + 2 * DAY_S + 3_600
    assert not made.chain.own.may_issue
    assert root().admit(holder_of(MEMBER), at=START, days=2, may_invite=True).chain.own.may_issue


def test_who_has_no_mldsa_key_is_a_member_that_may_not_invite() -> None:
    one = root()
    assert one.admit(Holder(OTHER.signing_public_key), at=START, days=2, may_invite=False).chain.own.fingerprint is None
    with pytest.raises(LocalError, match="no ML-DSA key"):
        one.admit(Holder(MEMBER.signing_public_key), at=START, days=2, may_invite=True)
    assert [member.address for member in one.members] == [OTHER.address]


def test_a_member_is_admitted_again_in_its_place() -> None:
    one = root()
    for days in (1, 9):
        one.admit(holder_of(MEMBER), at=START, days=days, may_invite=False)
    assert [(member.address, member.until) for member in one.members] == [(MEMBER.address, START + 9 * DAY_S)]


def test_who_is_removed_is_in_each_list_until_its_certificate_has_expired() -> None:
    one = root()
    one.admit(holder_of(MEMBER), at=START, days=1, may_invite=False)
    (first,) = one.remove(MEMBER.address, at=START)
    assert are_signed(first, key_of(Identity(b"r" * 32)), PRIMITIVES)
    assert (first.sequence, first.subnets) == (1, (MEMBER.address[:8],))
    (second,) = one.remove(OTHER.address, at=START)  # somebody whom a member has invited
    assert (second.sequence, second.subnets) == (2, (MEMBER.address[:8], OTHER.address[:8]))
    assert unsigned(one.remove(OTHER.address, at=START)) == unsigned([second])
    (later,) = one.remove(OTHER.address, at=START + 367 * DAY_S)
    assert (later.sequence, later.subnets) == (4, (OTHER.address[:8],))
    assert one.removed[0].until == START + MEMBER_DAYS * DAY_S
    assert one.members == []


def test_who_is_removed_stays_on_the_list_as_long_as_any_certificate_of_its_may_be_valid() -> None:
    one = root()
    for days in (900, 1):
        one.admit(holder_of(MEMBER), at=START, days=days, may_invite=False)
    one.admit(holder_of(OTHER), at=START, days=1, may_invite=False)
    for member in (MEMBER, OTHER):
        one.remove(member.address, at=START)
    assert [gone.until for gone in one.removed] == [START + 901 * DAY_S, START + INVITED_S + DAY_S]


def test_a_member_is_removed_by_any_address_of_its_own() -> None:
    one = root()
    one.admit(holder_of(MEMBER), at=START, days=1, may_invite=False)
    one.remove(MEMBER.address[:8] + bytes(8), at=START)
    assert one.members == []
    assert [(gone.subnet, gone.until) for gone in one.removed] == [(MEMBER.address[:8], START + 366 * DAY_S)]


def test_who_was_removed_needs_a_new_key() -> None:
    one = root()
    one.remove(MEMBER.address, at=START)
    with pytest.raises(LocalError, match="it needs a new key"):
        one.admit(holder_of(MEMBER), at=START, days=1, may_invite=False)


def test_a_root_from_a_backup_takes_over_what_members_know_and_is_newer_then() -> None:
    one, backup = root(), root()
    for each in (one, backup):
        for holder in (MEMBER, THIRD):
            each.admit(holder_of(holder), at=START, days=1, may_invite=False)
        each.remove(OTHER.address, at=START)
    told = [*one.remove(MEMBER.address, at=START), *one.remove(OTHER.address, at=START)]
    backup.recover(told, at=START)
    assert [gone.subnet for gone in backup.removed] == [OTHER.address[:8], MEMBER.address[:8]]
    assert [member.address for member in backup.members] == [THIRD.address]
    assert backup.removed[1].until == START + MEMBER_DAYS * DAY_S
    (newer,) = backup.remove(THIRD.address, at=START)
    assert newer.sequence > max(part.sequence for part in told)
    assert set(newer.subnets) == {OTHER.address[:8], MEMBER.address[:8], THIRD.address[:8]}
    with pytest.raises(LocalError, match="are those of another network"):
        NetworkRoot(seed=b"s" * 32, key=b"k" * 32).recover(told, at=START)


def test_parts_that_a_backup_does_not_have_yet_are_taken_over_too() -> None:
    one = root()
    one.removed, one.sequence, one.parts = [gone(number, part=0) for number in range(REMOVED_PER_PART)], 9, [9]
    told, backup = one.remove(OTHER.address, at=START), root()
    backup.recover(told[1:], at=START)
    assert (backup.parts, backup.removed[0].part) == ([0, 11], 1)
    backup.recover(told, at=START)
    assert len(backup.removed) == REMOVED_PER_PART + 1
    assert [part.sequence for part in backup.remove(OTHER.address, at=START)] == [12, 12]


def gone(number: int, *, part: int, until: int = START + DAY_S) -> RemovedNode:
    return RemovedNode(subnet=b"\4" + number.to_bytes(7, "big"), until=until, part=part)


def test_a_part_that_is_full_is_followed_by_another_and_only_what_has_changed_is_newer() -> None:
    one = root()
    one.removed, one.sequence, one.parts = [gone(number, part=0) for number in range(REMOVED_PER_PART)], 9, [9]
    full, second = one.remove(OTHER.address, at=START)
    assert (full.part, full.sequence, len(full.subnets)) == (0, 9, REMOVED_PER_PART)
    assert (second.part, second.sequence, second.subnets) == (1, 10, (OTHER.address[:8],))
    assert unsigned(one.remove(OTHER.address, at=START)) == unsigned([full, second])
    emptied, same = one.remove(OTHER.address, at=START + 2 * DAY_S)
    assert (emptied.part, emptied.sequence, emptied.subnets) == (0, 12, ())
    assert unsigned([same]) == unsigned([second])
    refilled, _ = one.remove(MEMBER.address, at=START + 2 * DAY_S)
    assert (refilled.sequence, refilled.subnets) == (13, (MEMBER.address[:8],))


def test_all_parts_have_a_bound() -> None:
    one = root()
    one.parts = [1] * REMOVAL_PARTS
    one.removed = [gone(number, part=number // REMOVED_PER_PART) for number in range(REMOVAL_PARTS * REMOVED_PER_PART)]
    before = list(one.removed)
    with pytest.raises(LocalError, match="7168 members have been removed, and no more can be: make a new network"):
        one.remove(OTHER.address, at=START)
    assert one.removed == before


def test_the_file_is_private_kept_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "corp.root"
    made = create_root(path)
    assert path.stat().st_mode & 0o777 == 0o600
    made.admit(holder_of(MEMBER), at=START, days=1, may_invite=True)
    made.remove(OTHER.address, at=START)
    write_root(path, made)
    assert read_root(path) == made
    with pytest.raises(LocalError, match="exists already"):
        create_root(path)
    assert read_root(path) == made


def test_a_root_of_another_version_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "corp.root"
    older = {"seed": "A" * 43 + "=", "key": "A" * 43 + "=", "removed": [{"subnet": "AAAAAAAAAAA=", "until": 1}]}
    path.write_bytes(msgspec.json.encode(older))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"another version of mycelium wrote it.*missing required field `part`"):
        read_root(path)


def test_a_root_with_a_part_beyond_the_last_is_of_another_version(tmp_path: Path) -> None:
    path, one = tmp_path / "corp.root", root()
    one.removed = [gone(1, part=REMOVAL_PARTS)]
    create_private(path, msgspec.json.encode(one), name="", error=LocalError)
    with pytest.raises(ConfigError, match=r"another version of mycelium wrote it.*removed"):
        read_root(path)


def test_a_file_that_is_no_root_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corp.root"
    path.touch(mode=0o600)
    for data, reason in (
        (b"", "it is empty: 'mycelium network create' makes one"),
        (b"{}", "it is no root file"),
        (b"[1]", "it is no root file"),
        (b"\xff", "its text breaks off or is none of a root"),
        (b'{"seed": 5, ?', "its text breaks off or is none of a root"),
        (b"k" * 32, "its text breaks off or is none of a root"),
        (b"[" * 10_000, "its text breaks off or is none of a root"),
        (msgspec.json.encode(root())[:-9], "its text breaks off"),
    ):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=reason):
            read_root(path)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to other users"):
        read_root(path)
    with pytest.raises(LocalError, match="cannot write the root file"):
        write_root(tmp_path / "none" / "root", root())
