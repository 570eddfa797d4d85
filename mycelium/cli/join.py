"""`mycelium join`: makes this host a node of the mesh that it was invited to."""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from mycelium.admin.service_unit import runs_resolved
from mycelium.cli import options
from mycelium.cli.service import install_service, make_user, runs_systemd
from mycelium.errors import ApiError, ConfigError, LocalError
from mycelium.quantity import quantity

if TYPE_CHECKING:
    from mycelium.admin.join_uri import JoinUri
    from mycelium.identity import Identity
    from mycelium.wire.join import JoinAnswer

_FOR_STDIN: Final = "-"
_LONGEST: Final = 10_000  # characters read of standard input
_HOSTS_FILE: Final = Path("/etc/hosts")
_LINKED_S: Final = 15.0  # for the daemon to start and to reach the member
_LOOK_AGAIN_S: Final = 0.2


class _Places(NamedTuple):
    """Where the settings and secrets of the node go, and whether a service is to use them."""

    config_file: Path
    key_file: Path
    is_service: bool

    @property
    def network_key_file(self) -> Path:
        return self.key_file.with_name("network.key")


@click.command
@options.together(options.config_file, options.key_file)
@click.option("--name", metavar="NAME", default="", help="The name of this host, where the invitation says none.")
@click.argument("invitation")
@click.pass_context
def join(context: click.Context, name: str, invitation: str) -> None:
    """Join the mesh that printed INVITATION. - reads it from standard input, so that no list of processes shows it.

    Run by root, it writes /etc/mycelium/mycelium.toml and, where systemd runs, installs the service.
    """
    from mycelium.admin.join_uri import JoinUri

    uri = JoinUri.parse(_read_invitation() if invitation == _FOR_STDIN else invitation)
    places = _places(context)
    if places.config_file.exists():
        raise LocalError(f"{places.config_file} exists: this host has a mesh already; --config-file names another file")
    wished = _checked_name(name or socket.gethostname().partition(".")[0].lower(), is_wished=bool(name))
    identity = _identity(places)
    answer = _ask(uri, identity)
    own_name = answer.name or wished
    _write(places, uri, answer, own_name)
    who = f"you are {_who(identity, own_name, answer.network_name)}"
    if places.is_service and runs_systemd():
        install_service()
        click.echo(f"{who}, {quantity(_reachable(context, places), 'node')} reachable")
        if any(answer.network_key) and not runs_resolved():
            click.echo(
                "programs here find them by name once systemd-resolved runs (on Debian: apt install systemd-resolved)"
            )
    else:
        click.echo(f"{who}; to start the daemon: mycelium --config-file {places.config_file}")


def _read_invitation() -> str:
    """Returns what standard input has; of a terminal one line, since nobody there knows how to end it."""
    if not sys.stdin.isatty():
        return sys.stdin.read(_LONGEST)
    click.echo("Paste the invitation, which begins with 'mycelium:join?', and press Enter:", err=True)
    return sys.stdin.readline(_LONGEST)


def _places(context: click.Context) -> _Places:
    """Returns those of the command line; without, those of the service for root, and for others those of the user."""
    from mycelium.admin.config import default_config_file
    from mycelium.admin.keyfile import own_key_path
    from mycelium.admin.service_unit import CONFIG_FILE, STATE_FOLDER

    given = options.given(context)
    is_service = os.geteuid() == 0 and not given.keys() & {"config_file", "key_file"}
    config_file = Path(given["config_file"]) if "config_file" in given else default_config_file()
    if os.geteuid() == 0 and "config_file" not in given:
        config_file = CONFIG_FILE
    if config_file is None:
        raise LocalError("this user has no home directory: name a file with --config-file")
    default_key = STATE_FOLDER / own_key_path().name if is_service else own_key_path()  # never beside the service's
    key_file = Path(given.get("key_file", default_key))
    return _Places(config_file.absolute(), key_file.absolute(), is_service)


def _checked_name(name: str, *, is_wished: bool) -> str:
    """Returns the name of this host; none where that of the system is not fit for one and nobody has asked for it."""
    from mycelium.admin.checks import node_name

    try:
        return node_name(name)
    except ConfigError:
        if is_wished:
            raise
        return ""


def _identity(places: _Places) -> "Identity":
    """Returns the node's key, made anew where there is none."""
    from mycelium.admin import keyfile
    from mycelium.identity import SEED_BYTES

    if os.path.lexists(places.key_file):
        return keyfile.load_identity(places.key_file)
    return keyfile.create_identity(places.key_file, os.urandom(SEED_BYTES), parents=True)


def _ask(uri: "JoinUri", identity: "Identity") -> "JoinAnswer":
    import asyncio

    from mycelium.daemon.joining import ask_to_join

    return asyncio.run(ask_to_join(uri, identity))


def _write(places: _Places, uri: "JoinUri", answer: "JoinAnswer", name: str) -> None:
    """Writes what the daemon needs; the configuration last, since with it this host counts as a node."""
    from mycelium.admin.config_text import config_text
    from mycelium.admin.whole_file import PUBLIC, replace_whole

    has_key = any(answer.network_key)
    if has_key:
        _keep_network(places.network_key_file, answer)
    text = config_text(
        {
            "name": name if has_key else "",
            "peers": [str(peer) for peer in uri.peers],
            "key_file": places.key_file,
            "network_name": answer.network_name if has_key else "",
            "network_key_file": places.network_key_file if has_key else "",
            "hosts_file": _HOSTS_FILE if has_key and _needs_hosts_file(places) else "",
        },
        comment=f"Written by 'mycelium join' on {time.strftime('%Y-%m-%d')}.",
    )
    try:
        places.config_file.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(places.config_file, text.encode(), mode=PUBLIC)  # the service reads it as another user
    except OSError as error:
        raise LocalError(f"cannot write {places.config_file}: {error.strerror}") from error
    if places.is_service and runs_systemd():
        _give_to_service(places)


def _needs_hosts_file(places: _Places) -> bool:
    """Tells whether programs find nodes by their names in a file only, which a daemon that root starts can write.

    The service can't: its user owns nothing below /etc.
    """
    return os.geteuid() == 0 and not (places.is_service and runs_systemd()) and not runs_resolved()


def _keep_network(path: Path, answer: "JoinAnswer") -> None:
    """Writes the key of the network, and what makes this host a member, in place of what an earlier attempt has written."""
    from mycelium.admin.network_file import write_member
    from mycelium.admin.private_file import create_network_key, read_network_key
    from mycelium.crypto.primitives import RealPrimitives
    from mycelium.errors import DecodeError, NotAMember
    from mycelium.membership.certificates import check_signatures
    from mycelium.wire.membership import decode_credentials

    if not answer.membership:
        if not os.path.lexists(path) or read_network_key(path) != answer.network_key:
            create_network_key(path, answer.network_key)
        return
    try:
        credentials = decode_credentials(answer.membership)
        check_signatures(credentials.chain, credentials.root, RealPrimitives())
    except (DecodeError, NotAMember) as error:
        raise LocalError(
            f"the member's answer makes no sense ({error}): is it of another version of mycelium? If not, try again"
        ) from None
    write_member(path, answer.network_key, credentials)


def _give_to_service(places: _Places) -> None:
    """Hands the secrets to the user that the service runs as, but no file elsewhere that a link of that user's leads to."""
    import pwd

    from mycelium.admin.service_unit import NAME

    make_user()
    user = pwd.getpwnam(NAME)
    for path in (places.key_file.parent, places.key_file, places.network_key_file):
        if os.path.lexists(path):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _who(identity: "Identity", name: str, network: str) -> str:
    from ipaddress import IPv6Address

    address = str(IPv6Address(identity.address))
    return f"{name}.{network} ({address})" if name and network else address


def _reachable(context: click.Context, places: _Places) -> int:
    """Waits until the daemon has heard of all nodes from the member, and returns how many it has routes to."""
    from mycelium.admin import config
    from mycelium.api.client import ApiClient

    daemon = ApiClient(config.load({**options.given(context), "config_file": places.config_file}).api_addr)
    give_up, before = time.monotonic() + _LINKED_S, 0
    while time.monotonic() < give_up:
        with contextlib.suppress(ApiError):  # it is still starting
            found = len(daemon.routes_selected())
            if found and found == before:
                return found
            before = found
        time.sleep(_LOOK_AGAIN_S)
    raise LocalError("this host has joined, but has no link yet: 'mycelium peers' says why")
