"""The root of a network with members, in a file that is best kept offline: its key, whom it has admitted and removed.

Whoever has this file decides who is a member. The daemon never reads it.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from mycelium.admin.network_file import NetworkFile
from mycelium.admin.private_file import create_private, read_private, replace_private
from mycelium.errors import ConfigError, LocalError
from mycelium.identity import SEED_BYTES, Identity, address_of_signing_key, subnet_of
from mycelium.limits import MEMBER_DAYS, REMOVED_MEMBERS
from mycelium.membership.certificates import AGO_S, issue, sign_removals
from mycelium.wire.membership import Removals

DAY_S: Final = 86_400
_BYTES: Final = 16 << 20  # of the file: 200 for each member


class AdmittedMember(Struct, kw_only=True):
    """One member that the root key has admitted."""

    key: bytes  # Ed25519
    until: int  # Unix seconds
    may_invite: bool

    @property
    def address(self) -> bytes:
        """The overlay address."""
        return address_of_signing_key(self.key)


class RemovedNode(Struct, kw_only=True):
    """One node that is no member any more, whoever admitted it."""

    subnet: bytes
    until: int  # Unix seconds: its certificate has expired by then


class NetworkRoot(Struct, kw_only=True):
    """The content of the file."""

    seed: bytes
    key: bytes  # that all members share
    sequence: int = 0  # of the last list of those removed
    members: list[AdmittedMember] = []
    removed: list[RemovedNode] = []

    @property
    def identity(self) -> Identity:
        """Who signs."""
        return Identity(self.seed)

    def admit(self, key: bytes, *, at: float, days: int, may_invite: bool) -> NetworkFile:
        """Returns what a new member gets, the holder of a signing key."""
        root, until = self.identity, int(at) + days * DAY_S
        if any(one.subnet == subnet_of(address_of_signing_key(key)) for one in self.removed):
            raise LocalError(
                "this node was removed: it needs a new key ('mycelium generate-keys') to be a member again"
            )
        self.members = [one for one in self.members if one.key != key]
        self.members.append(AdmittedMember(key=key, until=until, may_invite=may_invite))
        begin, public = int(at) - AGO_S, root.signing_public_key
        certificate = issue(key, public, root.sign, not_before=begin, not_after=until, may_issue=may_invite)
        return NetworkFile(self.key, public, (certificate,))

    def remove(self, member: bytes, *, at: float) -> Removals:
        """Removes the node that has an address, and so all that it has invited; returns the list to tell members."""
        self.removed = [one for one in self.removed if one.until > at]
        subnet = subnet_of(member)
        known = next((one for one in self.members if subnet_of(one.address) == subnet), None)
        until = int(at) + MEMBER_DAYS * DAY_S if known is None else known.until + DAY_S
        if all(one.subnet != subnet for one in self.removed):
            self.removed.append(RemovedNode(subnet=subnet, until=until))
        if len(self.removed) > REMOVED_MEMBERS:
            raise LocalError(f"a list holds {REMOVED_MEMBERS} removed members: make a new network for those that stay")
        self.members = [one for one in self.members if one is not known]
        self.sequence += 1
        subnets = tuple(one.subnet for one in self.removed)
        return sign_removals(Removals(self.sequence, subnets), self.identity.sign)


def create_root(path: Path) -> NetworkRoot:
    """Writes the root of a new network; raises LocalError where there is a file already."""
    root = NetworkRoot(seed=os.urandom(SEED_BYTES), key=os.urandom(SEED_BYTES))
    create_private(path, msgspec.json.encode(root), name=f"the root file {path}", error=LocalError)
    return root


def read_root(path: Path) -> NetworkRoot:
    """Reads a root file; raises ConfigError."""
    name = f"the root file {path}"
    data = read_private(path, name=name, error=ConfigError, most=_BYTES)
    try:
        return msgspec.json.decode(data, type=NetworkRoot)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError(f"{name} is damaged, or is none: 'mycelium network create' makes one") from None


def write_root(path: Path, root: NetworkRoot) -> None:
    """Writes a root file in place of the one before; raises LocalError."""
    try:
        replace_private(path, msgspec.json.encode(root))
    except OSError as error:
        raise LocalError(f"cannot write the root file {path}: {error.strerror}") from error
