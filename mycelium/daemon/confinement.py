"""Gives up what a node does not need, once what takes root is open: root, capabilities, files that are none of its own.

It becomes the user that it is told to be, or the service's user where the folder of its key is that user's; else it stays
who it is. It keeps what repairs of the TUN device, leases, firewall marks and low ports take.
"""

import os
import pwd
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import mycelium
from mycelium.admin import config
from mycelium.admin.config import Settings
from mycelium.admin.keyfile import make_default_folder
from mycelium.admin.service_unit import NAME
from mycelium.daemon import capabilities, landlock
from mycelium.daemon.landlock import CHANGE, EXECUTE, IOCTL_DEV, READ, REMOVE_FILE, TRUNCATE, WRITE_FILE, Rule
from mycelium.errors import ConfigError, IdentityError
from mycelium.peer_list_url import PeerListUrl

KEPT: Final = capabilities.NET_ADMIN | capabilities.NET_BIND_SERVICE
PROGRAMS: Final = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store")))
SYSTEM: Final = tuple(map(Path, ("/etc", "/opt", "/proc", "/sys", "/dev", "/run")))
TUN: Final = Path("/dev/net/tun")
NOTHING: Final = Path("/dev/null")
RESOLV_CONF: Final = Path("/etc/resolv.conf")  # a link into a folder of whoever keeps it up


def confine(settings: Settings) -> str:
    """Does it, and returns in words what is left; raises ConfigError or IdentityError where the user is not fit for it."""
    make_default_folder(settings.key_file)
    user, program = _user(settings), [folder for folder in _program() if folder.is_dir()]
    before = capabilities.permitted()
    kept = before & KEPT
    if user is None and before != kept:
        capabilities.use(kept, permitted=before)
        if _unusable(settings.key_file, program):  # such as the home of whoever has run sudo
            kept |= before & capabilities.DAC_OVERRIDE
        capabilities.use(before, permitted=before)
    capabilities.bound_to(kept)
    if user is not None:
        _become(user)
    if before != kept:
        capabilities.use(kept, permitted=kept)
    if objection := _unusable(settings.key_file, program):
        raise IdentityError(objection)
    capabilities.never_gain()
    is_fenced = landlock.restrict(_rules(settings))
    may = ", ".join(name for bit, name in capabilities.NAMES.items() if kept & bit) or "no capability"
    fence = (
        f"writes only below {settings.key_file.parent}"
        if is_fenced
        else "no fence, as Landlock is not there, or not allowed"
    )
    return f"running as user {_name(os.geteuid())} with {may}; files: {fence}"


def _user(settings: Settings) -> pwd.struct_passwd | None:
    """Returns whom this process is to become; None for nobody else."""
    if settings.user:
        try:
            wanted = pwd.getpwnam(settings.user)
        except KeyError:
            raise ConfigError(f"user (--user): this host has no user {settings.user}") from None
        if os.geteuid() not in (0, wanted.pw_uid):
            raise ConfigError(f"user (--user): only root can become {settings.user}")
        return wanted if wanted.pw_uid != os.geteuid() else None
    try:
        own = pwd.getpwnam(NAME)
        is_owner = settings.key_file.parent.stat().st_uid == own.pw_uid
    except (KeyError, OSError):
        return None
    return own if os.geteuid() == 0 and is_owner else None


def _become(user: pwd.struct_passwd) -> None:
    capabilities.keep_through_change_of_user()
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def _unusable(key_file: Path, program: Iterable[Path]) -> str:
    """Returns why this process can't use the key or its folder, or load more of this program; empty if it can."""
    folder, who = key_file.parent, _name(os.geteuid())
    if (broken := _broken_link(key_file)) is not None:
        return f"the key file {key_file} is a symbolic link that leads nowhere: {broken}"
    if not folder.is_dir() and _may(_nearest(folder), os.X_OK):
        return f"there is no folder {folder} for the key: make it, or name another key with --key-file"
    if not _may(folder, os.X_OK) or (os.path.lexists(key_file) and not _may(key_file, os.R_OK)):
        return (
            f"user {who} can't use the key {key_file}: give it the folder, as with 'chown -R {who} {folder}', or name "
            "another key with --key-file"
        )
    for place in program:
        if not _may(place, os.R_OK | os.X_OK):
            return (
                f"user {who} can't read {place}, where a part of this program is: install mycelium for all users, or "
                "stay root by --user root"
            )
    return ""


def _nearest(folder: Path) -> Path:
    """Returns the first of the folders around one that is there."""
    return next(one for one in folder.parents if os.path.lexists(one))


def _broken_link(path: Path) -> str | None:
    """Returns why a symbolic link does not lead to a file; None for one that does, and for what this user may not follow."""
    try:
        if path.is_symlink():
            path.stat()
    except PermissionError:
        return None
    except OSError as error:
        return error.strerror
    return None


def _may(path: Path, what: int) -> bool:
    return os.access(path, what, effective_ids=True)


def _rules(settings: Settings) -> Iterator[Rule]:
    """Yields what the daemon may do with which files."""
    for folder in PROGRAMS:
        yield Rule(folder, READ | EXECUTE)
    for folder in (*SYSTEM, RESOLV_CONF.resolve().parent, *_program(), Path(sys.prefix), Path(sys.base_prefix)):
        yield Rule(folder, READ)
    named = [path for url in settings.peers if isinstance(url, PeerListUrl) and (path := _path_of(url))]
    file = config.config_file(settings.given, os.environ)
    for path in (*named, file, settings.tls_certificate, settings.tls_key):
        if path is not None:  # the folders, as files are replaced by new ones
            yield Rule(path.parent, READ)
            yield Rule(path.resolve().parent, READ)
    yield Rule(settings.key_file.parent, READ | CHANGE)
    addresses = (settings.api_addr, settings.jsonrpc_addr, settings.metrics_api_address)
    sockets = [Path(address.path) for address in addresses if address is not None and address.is_unix]
    for path in (*sockets, settings.api_socket):
        if path is not None:
            yield Rule(path.parent, REMOVE_FILE)
    if settings.hosts_file is not None:
        yield Rule(settings.hosts_file, READ | WRITE_FILE | TRUNCATE)
    yield Rule(TUN, READ | WRITE_FILE | IOCTL_DEV)
    yield Rule(NOTHING, READ | WRITE_FILE)


def _program() -> list[Path]:
    """Returns where modules are loaded from; that of an editable installation is in no folder that `sys.path` names."""
    return [Path(folder) for folder in (*sys.path, *mycelium.__path__)]


def _path_of(url: PeerListUrl) -> Path | None:
    return Path(url.place) if url.scheme == "file" else None


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
