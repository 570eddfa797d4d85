"""The root of a network with members, in a file that is best kept offline: its key, whom it has admitted and removed.

Whoever has this file decides who is a member. The daemon never reads it. The Ed25519 and the ML-DSA half of the key come of one
seed, as those of nodes do.
"""

import os
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from mycelium.admin.private_file import create_private, read_private, replace_private
from mycelium.crypto.hybrid import hybrid_key, hybrid_sign
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import RealPrimitives
from mycelium.errors import ConfigError, LocalError
from mycelium.identity import SEED_BYTES, Identity, address_of_signing_key, subnet_of
from mycelium.limits import MEMBER_DAYS, REMOVAL_PARTS, REMOVED_PER_PART
from mycelium.membership.certificates import AGO_S, INVITED_S, Holder, are_signed, issue, sign_removals
from mycelium.wire.membership import Chain, Credentials, Removals

DAY_S: Final = 86_400
_BYTES: Final = 16 << 20  # of the file: 200 for each member


class AdmittedMember(Struct, kw_only=True):
    """One member that the root key has admitted."""

    key: bytes  # Ed25519
    until: int  # Unix seconds: of its certificates by the root key the end of the last one
    may_invite: bool

    @property
    def address(self) -> bytes:
        """The overlay address."""
        return address_of_signing_key(self.key)


class RemovedNode(Struct, kw_only=True):
    """One node that is no member any more, whoever admitted it."""

    subnet: bytes
    until: int  # Unix seconds: all its certificates have expired by then
    part: Annotated[int, Meta(ge=0, lt=REMOVAL_PARTS)]  # of those removed, in which it is told


class NetworkRoot(Struct, kw_only=True):
    """The content of the file."""

    seed: bytes
    key: bytes  # that all members share
    sequence: int = 0  # of the part of those removed that has changed last
    parts: list[int] = []  # the sequence of each part
    members: list[AdmittedMember] = []
    removed: list[RemovedNode] = []

    @property
    def signer(self) -> KeyProver:
        """Who signs."""
        return KeyProver(Identity(self.seed), RealPrimitives())

    def admit(self, holder: Holder, *, at: float, days: int, may_invite: bool) -> Credentials:
        """Returns what a new member gets, the holder of keys; raises LocalError for one that can't be a member."""
        key, signer, until = holder.key, self.signer, int(at) + days * DAY_S
        if may_invite and holder.fingerprint is None:
            raise LocalError(
                "this node has no ML-DSA key to sign the certificates of others by: either its key was imported, and it "
                "needs a new one ('mycelium generate-keys'), or the fingerprint is missing that 'mycelium network key' "
                "prints there"
            )
        if any(one.subnet == subnet_of(address_of_signing_key(key)) for one in self.removed):
            raise LocalError(
                "this node was removed: it needs a new key ('mycelium generate-keys') to be a member again"
            )
        last = max([until, *(one.until for one in self.members if one.key == key)])
        self.members = [one for one in self.members if one.key != key]
        self.members.append(AdmittedMember(key=key, until=last, may_invite=may_invite))
        root, sign, begin = hybrid_key(signer), partial(hybrid_sign, signer), int(at) - AGO_S
        return Credentials(
            root, Chain(issue(holder, root, sign, not_before=begin, not_after=until, may_issue=may_invite))
        )

    def remove(self, member: bytes, *, at: float) -> list[Removals]:
        """Removes the node that has an address, and so all that it has invited; returns all parts to tell members."""
        stay = [one for one in self.removed if one.until > at]
        changed = {one.part for one in self.removed if one.until <= at}
        subnet = subnet_of(member)
        known = next((one for one in self.members if subnet_of(one.address) == subnet), None)
        until = int(at) + MEMBER_DAYS * DAY_S
        if known is not None:
            until = max(known.until, int(at) + INVITED_S) + DAY_S  # a member may have invited it besides
        if all(one.subnet != subnet for one in stay):
            part = _part_with_room(stay)
            stay.append(RemovedNode(subnet=subnet, until=until, part=part))
            changed.add(part)
        self.removed = stay
        self.members = [one for one in self.members if one is not known]
        self._advance(changed)
        return self._parts()

    def recover(self, told: list[Removals], *, at: float) -> None:
        """Takes over what members were told and this file, of a backup perhaps, does not know.

        Raises LocalError for what this root has not signed.
        """
        root, primitives = hybrid_key(self.signer), RealPrimitives()
        if not all(are_signed(one, root, primitives) for one in told):
            raise LocalError("these removed members are those of another network")
        known = {one.subnet for one in self.removed}
        for one in told:
            self.parts += [0] * (one.part + 1 - len(self.parts))
            self.sequence = max(self.sequence, one.sequence)
            until = int(at) + MEMBER_DAYS * DAY_S  # nothing says until when it has certificates
            fresh = [subnet for subnet in one.subnets if subnet not in known]
            self.removed += [RemovedNode(subnet=subnet, until=until, part=one.part) for subnet in fresh]
            known.update(fresh)
        self._advance({one.part for one in told})
        self.members = [one for one in self.members if subnet_of(one.address) not in known]

    def _advance(self, changed: set[int]) -> None:
        """Gives parts that have changed a newer sequence; one that is new follows those that there are."""
        self.sequence += 1
        for part in sorted(changed):
            self.parts[part : part + 1] = [self.sequence]

    def _parts(self) -> list[Removals]:
        found: list[list[bytes]] = [[] for _ in self.parts]
        for one in self.removed:
            found[one.part].append(one.subnet)
        sign = partial(hybrid_sign, self.signer)
        return [
            sign_removals(Removals(part, sequence, tuple(subnets)), sign)
            for part, (sequence, subnets) in enumerate(zip(self.parts, found, strict=True))
        ]


def _part_with_room(removed: list[RemovedNode]) -> int:
    """Returns the first part that has room for one more; raises LocalError where none has."""
    held = Counter(one.part for one in removed)
    part = next((part for part in range(REMOVAL_PARTS) if held[part] < REMOVED_PER_PART), None)
    if part is None:
        raise LocalError(
            f"{len(removed)} members have been removed, and no more can be: make a new network for those that stay"
        )
    return part


def create_root(path: Path) -> NetworkRoot:
    """Writes the root of a new network; raises LocalError where there is a file already."""
    root = NetworkRoot(seed=os.urandom(SEED_BYTES), key=os.urandom(SEED_BYTES))
    name = f"the root file {path}"
    create_private(path, msgspec.json.encode(root), name=name, error=LocalError, is_daemons=False)
    return root


def read_root(path: Path) -> NetworkRoot:
    """Reads a root file; raises ConfigError."""
    name = f"the root file {path}"
    data = read_private(path, name=name, error=ConfigError, most=_BYTES)
    try:
        # as a whole first: the decoder of a type stops at the first thing that does not fit
        found = msgspec.json.decode(data)
        return msgspec.json.decode(data, type=NetworkRoot)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_misfit(found, str(error))}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = "it is empty" if not data else f"its text breaks off or is none of a root ({error})"
        raise ConfigError(f"{name}: {reason}: 'mycelium network create' makes one") from None


def _misfit(found: object, reason: str) -> str:
    """Returns why something that is well-formed is no root file of this version."""
    if isinstance(found, dict) and found.keys() >= {"seed", "key"}:
        return f"another version of mycelium wrote it, which this one does not read ({reason}): use that version"
    return f"it is no root file ({reason}): 'mycelium network create' makes one"


def write_root(path: Path, root: NetworkRoot) -> None:
    """Writes a root file in place of the one before; raises LocalError."""
    try:
        replace_private(path, msgspec.json.encode(root))
    except OSError as error:
        raise LocalError(f"cannot write the root file {path}: {error.strerror}") from error
