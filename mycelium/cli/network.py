"""`mycelium network`: a private network whose members hold certificates. Its root file is best kept offline."""

import time
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.keys import own_identity
from mycelium.cli.output import print_json
from mycelium.errors import ConfigError, LocalError
from mycelium.limits import MEMBER_DAYS
from mycelium.quantity import quantity

if TYPE_CHECKING:
    from mycelium.membership.certificates import Holder

_DAYS: Final = 365
_root = click.argument("root", metavar="ROOT", type=click.Path(path_type=Path))


@click.group
def network() -> None:
    """Make a network of members; admit or remove them.

    ROOT is the file of its root key, which decides who is a member, and is best kept offline. Members that may invite
    others do so by 'mycelium invite'.
    """


@network.command
@_root
def create(root: Path) -> None:
    """Make a network: write its root key to ROOT."""
    from mycelium.admin.network_root import create_root

    create_root(root)
    click.echo(f"{root} decides who is a member: keep it secret, and offline once you have admitted the first")


@network.command
@options.together(options.key_file, options.config_file)
@_root
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("key", metavar="[KEY]", required=False)
@click.option(
    "--days", metavar="N", type=click.IntRange(1, MEMBER_DAYS), default=_DAYS, help=f"Valid for; default {_DAYS}."
)
@click.option("--may-invite", is_flag=True, help="The member may invite others, by 'mycelium invite'.")
@click.pass_context
def admit(context: click.Context, root: Path, file: Path, key: str | None, days: int, may_invite: bool) -> None:
    """Make a member of this host, or of another one. KEY is what 'mycelium network key' prints there.

    FILE is what that host names by --network-key-file. A member whose certificate expires is admitted again; 'systemctl
    reload mycelium' has the daemon read the file again.
    """
    from mycelium.admin.network_file import write_member
    from mycelium.admin.network_root import read_root, write_root

    holder = _own_holder(context) if key is None else _holder(key, context)
    known = read_root(root)
    made = known.admit(holder, at=time.time(), days=days, may_invite=may_invite)
    write_member(file, known.key, made)
    write_root(root, known)
    click.echo(f"{file}: a member for {quantity(days, 'day')}; the daemon takes it by --network-key-file")
    if holder.fingerprint is None:
        click.echo("its certificate names no ML-DSA key, so whoever breaks X25519 can pose as it")


@network.command
@options.together(options.key_file, options.config_file)
@click.pass_context
def key(context: click.Context) -> None:
    """Print this host's signing keys. By them another host admits this one.

    They are an Ed25519 key and the fingerprint of an ML-DSA key. A key that was imported has none.
    """
    from mycelium.peer_url import pin_text

    own = _own_holder(context)
    click.echo(pin_text(own.key, own.fingerprint))


@network.command
@options.as_json
@_root
def members(root: Path, as_json: bool) -> None:
    """List whom ROOT has admitted, and whom it has removed."""
    from mycelium.admin.network_root import read_root

    known = read_root(root)
    if as_json:
        print_json(
            {
                "members": [
                    {"address": str(IPv6Address(one.address)), "until": one.until, "mayInvite": one.may_invite}
                    for one in known.members
                ],
                "removed": [str(IPv6Address(one.subnet + bytes(8))) for one in known.removed],
            }
        )
        return
    for one in known.members:
        click.echo(f"{IPv6Address(one.address)}  until {_day(one.until)}{'  may invite' if one.may_invite else ''}")
    for gone in known.removed:
        click.echo(f"{IPv6Address(gone.subnet + bytes(8))}/64  removed")


@network.command
@_root
@click.argument("member", metavar="ADDRESS")
def remove(root: Path, member: str) -> None:
    """Put a member out, and all whom it has invited. It writes what is to be told to any member by 'mycelium network tell'."""
    from mycelium.admin.network_root import read_root, write_root
    from mycelium.admin.removals_file import removals_text
    from mycelium.admin.whole_file import PUBLIC, replace_whole

    try:
        address = IPv6Address(member).packed
    except ValueError:
        raise ConfigError(f"{member[:70]!r} is not the address of a node") from None
    known = read_root(root)
    removals = known.remove(address, at=time.time())
    write_root(root, known)
    path = root.with_name(f"{root.name}.removed")
    try:
        replace_whole(path, removals_text(removals).encode("ascii"), mode=PUBLIC)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"to put it out: 'mycelium network tell {path}' at any member; the file is no secret")


@network.command
@_root
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def recover(root: Path, file: Path) -> None:
    """Bring a ROOT from a backup up to date. FILE is what a member keeps beside its key: priv_key.bin.removed.

    Without it, lists that the old ROOT signs are refused as older, or bring back whom it does not know to be removed.
    """
    from mycelium.admin.network_root import read_root, write_root
    from mycelium.admin.removals_file import REMOVALS_FILE_BYTES, read_removals
    from mycelium.admin.state_file import read_state

    text = read_state(file, error=LocalError, most=REMOVALS_FILE_BYTES + 1).content.decode("ascii", errors="replace")
    known = read_root(root)
    before = len(known.removed)
    known.recover(read_removals(text, str(file)), at=time.time())
    write_root(root, known)
    click.echo(f"{root} knows of {len(known.removed)} removed now, {len(known.removed) - before} more than before")


@network.command
@options.client
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_context
def tell(context: click.Context, file: Path) -> None:
    """Tell all members who was removed. A running daemon tells them; FILE is what 'mycelium network remove' has written."""
    from mycelium.admin.removals_file import REMOVALS_FILE_BYTES, read_removals, told_at_once

    try:
        with file.open("rb") as source:
            text = source.read(REMOVALS_FILE_BYTES + 1).decode("ascii", errors="replace")
    except OSError as error:
        raise LocalError(f"cannot read {file}: {error.strerror}") from error
    parts, client = read_removals(text, str(file)), connect(context)
    is_newer = any([client.tell_removals(some).newer for some in told_at_once(parts)])
    click.echo("told: it spreads by itself" if is_newer else "known already")


def _own_holder(context: click.Context) -> "Holder":
    from mycelium.crypto.key_proof import KeyProver
    from mycelium.crypto.primitives import RealPrimitives
    from mycelium.membership.certificates import Holder

    identity = own_identity(context)
    return Holder(identity.signing_public_key, KeyProver(identity, RealPrimitives()).fingerprint)


def _holder(key: str, context: click.Context) -> "Holder":
    from mycelium.membership.certificates import Holder
    from mycelium.peer_url import read_pin

    pinned = read_pin(key)
    if pinned is None:
        raise click.UsageError(f"{key[:120]!r} is not what 'mycelium network key' prints", context)
    return Holder(*pinned)


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
