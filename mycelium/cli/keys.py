"""The commands that make and show keys, without a daemon; what they need is imported late, for other commands to start soon."""

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options
from mycelium.cli.output import print_fields, print_json
from mycelium.errors import IdentityError

if TYPE_CHECKING:
    from mycelium.identity import Identity

HEX_DIGITS: Final = 64  # of a public key
NO_FINGERPRINT: Final = "none: the key was imported from another program"
HEX_KEY: Final = re.compile(f"[0-9A-Fa-f]{{{HEX_DIGITS}}}")


@click.command("generate-keys")
@options.together(options.key_file, options.config_file)
@click.option("--force", is_flag=True, help="Replace an existing key; its address is lost.")
@options.as_json
@click.pass_context
def generate_keys(context: click.Context, force: bool, as_json: bool) -> None:
    """Create a new secret key, and with it a new address."""
    from mycelium.admin import keyfile
    from mycelium.daemon.claim import is_claimed
    from mycelium.identity import SEED_BYTES

    path = _key_file(context)
    seed = os.urandom(SEED_BYTES)
    is_in_use = force and is_claimed(path)
    identity = keyfile.replace_identity(path, seed) if force else keyfile.create_identity(path, seed, parents=True)
    _print_own(identity, as_json=as_json)
    if not as_json:
        print_fields([("Key file:", path)])
    if is_in_use:
        click.echo("mycelium: a daemon runs with the old key, and keeps it until it is restarted", err=True)


@click.command("import-key")
@options.together(options.key_file, options.config_file)
@click.option(
    "--as-seed", is_flag=True, help="FILE was made by an old version of this program, not by the Rust Mycelium."
)
@options.as_json
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def import_key(context: click.Context, file: Path, as_seed: bool, as_json: bool) -> None:
    """Take over a key of the Rust Mycelium. With the key in FILE comes its address."""
    from mycelium.admin import keyfile

    path = _key_file(context)
    identity = keyfile.import_identity(file, path, as_seed=as_seed)
    _print_own(identity, as_json=as_json)
    if not as_json:
        print_fields([("Key file:", path)])


@click.command("generate-network-key")
@options.as_json
@click.argument("file", type=click.Path(path_type=Path))
def generate_network_key(file: Path, as_json: bool) -> None:
    """Create the key of a private network. FILE is to be copied to each of its nodes."""
    from mycelium.admin.private_file import create_network_key

    create_network_key(file)
    if as_json:
        print_json({"networkKeyFile": str(file)})
    else:
        print_fields([("Network key:", file)])


@click.command
@options.together(options.key_file, options.config_file)
@options.as_json
@click.argument("key", required=False)
@click.pass_context
def inspect(context: click.Context, key: str | None, as_json: bool) -> None:
    """Show the address of this node, or of a KEY. A public key has 64 hex digits.

    Of this node it shows the fingerprint of its ML-DSA key too. A peer that is pinned to both, as in
    udp://host:9651#KEY.FINGERPRINT, must prove that it holds both keys.
    """
    if key is None:
        _print_own(own_identity(context), as_json=as_json)
    elif HEX_KEY.fullmatch(key):
        _print(bytes.fromhex(key), {}, as_json=as_json)
    else:
        raise click.UsageError(f"{key[:80]!r} is not a public key, which has {HEX_DIGITS} hex digits", context)


def own_identity(context: click.Context) -> "Identity":
    """Returns the identity of this host; raises IdentityError where it has no key yet."""
    from mycelium.admin import keyfile
    from mycelium.admin.service_unit import STATE_FOLDER

    path = _key_file(context)
    if not os.path.lexists(path):
        of_service = "; that of the service is shown to root" if STATE_FOLDER.is_dir() and os.geteuid() else ""
        raise IdentityError(f"no key yet: mycelium generate-keys makes one ({path} does not exist){of_service}")
    return keyfile.load_identity(path)


def _key_file(context: click.Context) -> Path:
    from mycelium.admin import config

    return config.load(options.given(context)).key_file


def _print_own(identity: "Identity", *, as_json: bool) -> None:
    from mycelium.crypto.key_proof import KeyProver
    from mycelium.crypto.primitives import RealPrimitives

    fingerprint = KeyProver(identity, RealPrimitives()).fingerprint
    shown: dict[str, str | None] = {"fingerprint": None if fingerprint is None else fingerprint.hex()}
    _print(identity.exchange_public_key, shown, as_json=as_json)


def _print(public_key: bytes, more: dict[str, str | None], *, as_json: bool) -> None:
    """Prints a public key (X25519), what follows from it, and perhaps the fingerprint of the ML-DSA key beside it."""
    from mycelium.identity import address_of_exchange_key, subnet_of

    node = address_of_exchange_key(public_key)
    address = socket.inet_ntop(socket.AF_INET6, node)
    subnet = socket.inet_ntop(socket.AF_INET6, subnet_of(node).ljust(16, b"\0")) + "/64"
    if as_json:
        print_json({"publicKey": public_key.hex(), "address": address, "subnet": subnet, **more})
    else:
        print_fields([("Public key:", public_key.hex()), ("Address:", address), ("Subnet:", subnet)])
        print_fields([("Fingerprint:", one or NO_FINGERPRINT) for one in more.values()])
