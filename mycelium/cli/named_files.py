"""Whether a start could use the files that settings name: they are read as it reads them, and nothing is made or changed."""

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EINVAL
from functools import partial
from pathlib import Path

from mycelium.admin.config import Settings
from mycelium.admin.keyfile import is_default, load_identity
from mycelium.admin.network_file import read_network
from mycelium.admin.private_file import read_api_token
from mycelium.admin.service_unit import CONFIG_FILE, NAME
from mycelium.cli.service import PACKAGED_UNIT_FILE, UNIT_FILE
from mycelium.errors import IdentityError, LocalError, ResolveError
from mycelium.peer_list_url import PeerListUrl


def file_troubles(settings: Settings, config_file: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yields the names of settings whose files a start could not use, each with the reason.

    Where root asks about the service's configuration, its user must be able to use them too.
    """
    user = _user_of(config_file)
    for name, use in _uses(settings):
        trouble = _trouble(settings, name, use)
        is_roots_own = name == "key_file" and is_default(settings.key_file)  # the service has its default elsewhere
        if trouble is None and user is not None and not is_roots_own:
            with _acting_as(user):
                trouble = _trouble(settings, name, use)
        if trouble is not None:
            yield name, trouble


def _trouble(settings: Settings, name: str, use: Callable[[], object]) -> str | None:
    try:
        use()
    except LocalError as error:
        return str(error)
    except OSError as error:
        return f"{getattr(settings, name)}: {error.strerror}"
    return None


def _user_of(config_file: Path | None) -> pwd.struct_passwd | None:
    """Returns who reads what a configuration names, where that is not who asks."""
    is_installed = UNIT_FILE.exists() or PACKAGED_UNIT_FILE.exists()
    if os.geteuid() != 0 or config_file != CONFIG_FILE or not is_installed:
        return None
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return None  # the service never ran


@contextmanager
def _acting_as(user: pwd.struct_passwd) -> Iterator[None]:
    """Has files be opened as a user may, who is not root."""
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _uses(settings: Settings) -> Iterator[tuple[str, Callable[[], object]]]:
    for peer in settings.peers:
        if isinstance(peer, PeerListUrl) and peer.scheme == "file":
            yield "peers", partial(_read_list, peer)
    if settings.tls_certificate is not None and settings.tls_key is not None:
        yield "tls_certificate", partial(_read_certificate, settings.tls_certificate, settings.tls_key)
    if settings.network_key_file is not None:
        yield "network_key_file", partial(read_network, settings.network_key_file)
    if settings.hosts_file is not None:
        yield "hosts_file", partial(_open_hosts, settings.hosts_file)
    if settings.api_token_file is not None:
        yield "api_token_file", partial(read_api_token, settings.api_token_file)
    yield "key_file", partial(_read_key, settings.key_file)


def _read_list(url: PeerListUrl) -> None:
    from mycelium.daemon.list_sources import read_list_file  # here, because few settings name one, and it imports much

    try:
        read_list_file(url.place)
    except LocalError as error:
        raise ResolveError(f"{url}: {error}") from None
    except OSError as error:
        raise ResolveError(f"{url}: {error.strerror}") from None


def _read_certificate(certificate: Path, key: Path) -> None:
    from mycelium.transport.certificate import ServerCertificate  # here, for the same reason

    ServerCertificate((certificate, key), now=0.0)


def _open_hosts(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(EINVAL, "it is not a regular file")
    finally:
        os.close(descriptor)


def _read_key(path: Path) -> None:
    if os.path.lexists(path):
        load_identity(path)
    elif not path.parent.is_dir() and not is_default(path):  # else the first start makes one
        raise IdentityError(f"there is no folder {path.parent} for the key file")
