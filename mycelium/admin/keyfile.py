"""The node's secret on disk, in the format of `secret_format`. Only its owner may read it, and nothing here loses one.

A file of 32 bytes alone is ambiguous: old versions of this program wrote seeds so, and the Rust Mycelium, at the same path,
writes X25519 secrets. It is taken for a seed where this program has left its epoch beside it, else the operator must say.
"""

import logging
import os
import shlex
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

from mycelium.admin.private_file import create_private, read_with_mode, replace_private, require_private
from mycelium.admin.secret_format import SecretKind, decode_secret, encode_secret, explain, is_bare
from mycelium.admin.service_unit import STATE_FOLDER
from mycelium.errors import IdentityError
from mycelium.identity import SEED_BYTES, Identity

log = logging.getLogger("mycelium")

_DIRECTORY_MODE: Final = 0o700


def default_key_path() -> Path:
    """Returns the default path of the key file: that of the user's own.

    Of root, if there is none but the service has one, it is that: no other user can look into the folder.
    """
    own = own_key_path()
    of_service = STATE_FOLDER / own.name
    return of_service if os.path.lexists(of_service) and not os.path.lexists(own) else own


def own_key_path() -> Path:
    """Returns the path of the user's own key file: mycelium/priv_key.bin in the user's data directory."""
    data_home = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():  # the XDG specification ignores relative paths
        try:
            data_home = Path.home() / ".local" / "share"
        except RuntimeError as error:
            raise IdentityError(
                "this user has no home directory: name a key file with --key-file, or set XDG_DATA_HOME"
            ) from error
    return data_home / "mycelium" / "priv_key.bin"


def epoch_path(key_file: Path) -> Path:
    """Returns where the epoch of a key's last start is kept."""
    return key_file.with_name(key_file.name + ".epoch")


def known_peers_path(key_file: Path) -> Path:
    """Returns where what is known of other nodes is kept."""
    return key_file.with_name(key_file.name + ".peers")


def invitations_path(key_file: Path) -> Path:
    """Returns where the invitations of a node are kept."""
    return key_file.with_name(key_file.name + ".invitations")


def invitation_path(key_file: Path, name: str) -> Path:
    """Returns where a new invitation waits for the command that asked for it."""
    return key_file.with_name(f"{key_file.name}.invitation-{name}")


def load_identity(path: Path) -> Identity:
    """Reads a key file; raises IdentityError if it is missing, damaged, ambiguous, or open to other users."""
    data, mode = read_with_mode(path, name=_name(path), error=IdentityError)
    known = decode_secret(data)
    if known is None and not is_bare(data):
        raise IdentityError(f"{_name(path)} {explain(data)}; 'mycelium generate-keys' makes a key of ours elsewhere")
    if known is None and not epoch_path(path).exists():
        raise IdentityError(_ambiguous(path, data))
    require_private(mode, path, name=_name(path), error=IdentityError)
    kind, secret = known or (SecretKind.SEED, data)
    return _identity(kind, secret, path)


def create_identity(path: Path, seed: bytes, *, parents: bool = False) -> Identity:
    """Writes a new key file; raises IdentityError if it cannot be written or exists already.

    The whole file appears, synced to disk, or none. With `parents`, missing directories are created, open to the user alone.
    """
    identity = Identity(seed)
    _create(path, encode_secret(SecretKind.SEED, seed), parents=parents)
    return identity


def load_or_create_identity(path: Path) -> Identity:
    """Reads a key file, or creates one with a new random key and says so; raises IdentityError.

    No folder but the default one is created: a path that was mistyped must not become a node with another address.
    """
    if os.path.lexists(path):
        return load_identity(path)
    make_default_folder(path)
    identity = create_identity(path, os.urandom(SEED_BYTES))
    log.info("made a new key: %s", path)
    return identity


def make_default_folder(path: Path) -> None:
    """Makes the folder of a key, open to the user alone, where it is the default one; raises IdentityError."""
    if is_default(path):
        _make_folder(path)


def add_first_line(path: Path) -> bool:
    """Writes the key file that `load_identity` took for a bare seed of ours in the present format; tells whether it did."""
    data, _ = read_with_mode(path, name=_name(path), error=IdentityError)
    if not is_bare(data):
        return False
    try:
        _replace(path, encode_secret(SecretKind.SEED, data))
    except IdentityError as error:  # such as a read-only disk: the next start finds the same evidence
        log.warning("%s stays in the format of old versions: %s", _name(path), error)
        return False
    return True


def import_identity(source: Path, path: Path, *, as_seed: bool) -> Identity:
    """Makes the key file `path` of a file of 32 bytes that may be open to others: the Rust Mycelium's, or an old seed of ours.

    If both are one file, that is kept as `original_path(path)`. Raises IdentityError where `source` is something else, or
    `path` another file that exists.
    """
    name = f"the file {source}"
    data, _ = read_with_mode(source, name=name, error=IdentityError)
    if decode_secret(data) is not None:
        raise IdentityError(f"{name} is in our own format already: name it with --key-file")
    if not is_bare(data):
        raise IdentityError(f"{name} {explain(data)}; what can be imported has 32 bytes")
    kind = SecretKind.SEED if as_seed else SecretKind.EXCHANGE_SECRET
    identity = _identity(kind, data, source)
    encoded = encode_secret(kind, data)
    if path.exists() and path.samefile(source):
        try:
            os.link(path, original_path(path))
        except OSError as error:
            raise IdentityError(f"cannot keep {name} as {original_path(path)}: {error.strerror}") from error
        _replace(path, encoded)
    else:
        _create(path, encoded, parents=True)
    return identity


def original_path(path: Path) -> Path:
    """Returns where `import_identity` keeps a file that it replaces."""
    return path.with_name(f"{path.name}.original")


def replace_identity(path: Path, seed: bytes) -> Identity:
    """Writes a new key in the place of the old one, which is lost."""
    identity = Identity(seed)
    _make_folder(path)
    _replace(path, encode_secret(SecretKind.SEED, seed))
    return identity


def _identity(kind: SecretKind, secret: bytes, path: Path) -> Identity:
    match kind:
        case SecretKind.SEED:
            return Identity(secret)
        case SecretKind.EXCHANGE_SECRET:
            return Identity.of_exchange_secret(secret)
        case SecretKind.NETWORK_KEY:
            raise IdentityError(f"{_name(path)} is the key of a network: name it with --network-key-file")


def _ambiguous(path: Path, data: bytes) -> str:
    rust, ours = Identity.of_exchange_secret(data), Identity(data)
    quoted = shlex.quote(str(path))
    return (
        f"{_name(path)} does not say whose it is: if the Rust Mycelium made it, 'mycelium import-key {quoted}' keeps its "
        f"address {IPv6Address(rust.address)}; if an old version of this program did, 'mycelium import-key --as-seed {quoted}' "
        f"keeps {IPv6Address(ours.address)}"
    )


def _name(path: Path) -> str:
    return f"the key file {path}"


def is_default(path: Path) -> bool:
    """Tells whether a key file is the one that is used where none is named."""
    try:
        return path == default_key_path()
    except IdentityError:
        return False


def _create(path: Path, data: bytes, *, parents: bool) -> None:
    if parents:
        _make_folder(path)
    create_private(path, data, name=_name(path), error=IdentityError)


def _replace(path: Path, data: bytes) -> None:
    """Writes a file in the place of one that may be there: a complete key exists at any moment."""
    try:
        replace_private(path, data)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> IdentityError:
    return IdentityError(f"cannot write {_name(path)}: {error.strerror}")
