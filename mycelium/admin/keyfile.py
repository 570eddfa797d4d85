"""The node's secret on disk: a 32-byte seed that only its owner may read. Nothing here overwrites one."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Final

from mycelium.admin.private_file import read_private
from mycelium.errors import IdentityError
from mycelium.identity import SEED_BYTES, Identity

log = logging.getLogger("mycelium")

_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700


def default_key_path() -> Path:
    """Returns the default path of the key file: mycelium/priv_key.bin in the user's data directory."""
    data_home = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():  # the XDG specification ignores relative paths
        try:
            data_home = Path.home() / ".local" / "share"
        except RuntimeError as error:
            raise IdentityError(
                "this user has no home directory: name a key file with --key-file, or set XDG_DATA_HOME"
            ) from error
    return data_home / "mycelium" / "priv_key.bin"


def load_identity(path: Path) -> Identity:
    """Reads a key file; raises IdentityError if it is missing, damaged, or open to other users."""
    seed = read_private(path, name=f"the key file {path}", error=IdentityError)
    if len(seed) != SEED_BYTES:
        raise IdentityError(f"the key file {path} has {len(seed)} bytes, not {SEED_BYTES}")
    return Identity(seed)


def create_identity(path: Path, seed: bytes, *, parents: bool = False) -> Identity:
    """Writes a new key file; raises IdentityError if it cannot be written or exists already.

    The whole file appears, synced to disk, or none. With `parents`, missing directories are created, open to the user alone.
    """
    identity = Identity(seed)
    try:
        if parents:
            path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        _write_atomically(path, seed)
    except FileNotFoundError as error:
        raise IdentityError(f"cannot write the key file {path}: there is no folder {path.parent}") from error
    except OSError as error:
        raise IdentityError(f"cannot write the key file {path}: {error.strerror}") from error
    return identity


def load_or_create_identity(path: Path) -> Identity:
    """Reads a key file, or creates one with a new random key and says so; raises IdentityError.

    No folder but the default one is created: a path that was mistyped must not become a node with another address.
    """
    if os.path.lexists(path):
        return load_identity(path)
    identity = create_identity(path, os.urandom(SEED_BYTES), parents=_is_default(path))
    log.info("made a new key: %s", path)
    return identity


def _is_default(path: Path) -> bool:
    try:
        return path == default_key_path()
    except IdentityError:
        return False


def _write_atomically(path: Path, seed: bytes) -> None:
    """Writes a temporary file and links it into place: unlike a rename, a link never replaces a file."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)  # independent of the umask
            file.write(seed)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)
    except FileExistsError as error:
        raise IdentityError(f"the key file {path} exists already and was not changed") from error
    finally:
        os.unlink(temporary)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
