"""`mycelium service`: the daemon as a service of systemd."""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Final

import click

import mycelium
from mycelium.admin.service_unit import CONFIG_FILE, NAME, POLKIT_RULE, STATE_FOLDER, unit_text
from mycelium.errors import LocalError

UNIT_FILE: Final = Path(f"/etc/systemd/system/{NAME}.service")
PACKAGED_UNIT_FILE: Final = Path(f"/usr/lib/systemd/system/{NAME}.service")  # that of a distribution's package
POLKIT_RULES: Final = Path("/etc/polkit-1/rules.d")  # is there where polkit is installed
RULE_FILE: Final = f"50-{NAME}.rules"
SYSTEMD: Final = Path("/run/systemd/system")  # is there where systemd runs, as sd_booted(3) says
_SAID: Final = f"{NAME}: "  # before a mistake that the daemon tells
_MOST_BYTES: Final = 1 << 24  # more than any file of the daemon's has
_USERADD: Final = ("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")


@click.group
def service() -> None:
    """Run the daemon as a service of systemd."""


@service.command
def install() -> None:
    """Install and start the service. It starts with the host.

    It runs as a user of its own, which may set up interfaces and nothing else. Its settings are in
    /etc/mycelium/mycelium.toml, its key in /var/lib/mycelium.
    """
    kept = install_service()
    click.echo(f"the daemon runs, now and from each start of this host: 'systemctl status {NAME}', 'mycelium status'")
    if kept is not None:
        click.echo(f"its address is that of the key of root, which is now {kept}")
    if not CONFIG_FILE.exists():
        click.echo(f"it has no settings yet: what you gave the daemon by hand goes into {CONFIG_FILE}")


@service.command
def uninstall() -> None:
    """Stop the service for good. Its key and its settings stay."""
    _require_systemd()
    if not UNIT_FILE.exists() and not PACKAGED_UNIT_FILE.exists():
        raise LocalError(f"no service was installed by 'mycelium service install': there is no {UNIT_FILE}")
    _do("systemctl", "disable", "--now", NAME)
    UNIT_FILE.unlink(missing_ok=True)
    (POLKIT_RULES / RULE_FILE).unlink(missing_ok=True)
    _do("systemctl", "daemon-reload")
    click.echo(f"the service is removed; what stays: {CONFIG_FILE.parent}, {STATE_FOLDER} with the key, user {NAME}")


@service.command
def unit() -> None:
    """Print the unit file of the service."""
    click.echo(unit_text(_program(), *_needed()), nl=False)


def runs_systemd() -> bool:
    """Tells whether systemd manages the services of this host."""
    return SYSTEMD.is_dir()


def install_service() -> Path | None:
    """Installs the service with its user, and starts it, anew if it runs; returns where a key of root's is now, if it moved.

    Raises LocalError.
    """
    from mycelium.admin.whole_file import PUBLIC, replace_whole

    _require_systemd()
    text = "" if PACKAGED_UNIT_FILE.exists() else unit_text(_program(), *_needed())
    make_user()
    kept = _take_over_key()
    if text:
        replace_whole(UNIT_FILE, text.encode(), mode=PUBLIC)
        if POLKIT_RULES.is_dir():
            replace_whole(POLKIT_RULES / RULE_FILE, POLKIT_RULE.encode(), mode=PUBLIC)
    _do("systemctl", "daemon-reload")
    _do("systemctl", "enable", NAME)
    _start()
    return kept


def make_user() -> None:
    """Makes the user that the service runs as, unless there is one."""
    import pwd

    try:
        pwd.getpwnam(NAME)
    except KeyError:
        _do(*_USERADD, "--home-dir", str(STATE_FOLDER), NAME)


def _take_over_key() -> Path | None:
    """Moves the key with which root has run the daemon by hand to where the service has its own, unless that has one.

    Returns where it is now. What the daemon kept beside it goes with it. Raises LocalError where a daemon still runs with it.
    """
    import pwd

    from mycelium.admin.keyfile import default_key_path
    from mycelium.admin.private_file import read_with_mode, replace_private
    from mycelium.daemon.claim import is_claimed

    key = default_key_path()
    moved = STATE_FOLDER / key.name
    if key == moved or os.path.lexists(moved) or not os.path.lexists(key):
        return None
    if key.lstat().st_uid != os.getuid():  # a sudo that keeps HOME leads to the caller's
        click.echo(f"the service has a key of its own: {key} is not root's, and stays where it is")
        return None
    if is_claimed(key):
        raise LocalError(f"a daemon that was started by hand runs with the key {key}: stop it first")
    user = pwd.getpwnam(NAME)
    try:
        STATE_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(STATE_FOLDER, user.pw_uid, user.pw_gid)
        files = [one for one in sorted(key.parent.glob(f"{key.name}*"), reverse=True) if one.is_file()]  # the key last
        for one in files:
            data, _ = read_with_mode(one, name=str(one), error=LocalError, most=_MOST_BYTES, flags=os.O_NOFOLLOW)
            replace_private(STATE_FOLDER / one.name, data)
        for one in reversed(files):
            one.unlink()
    except OSError as error:
        raise LocalError(f"cannot move {key.parent} to {STATE_FOLDER}: {error.strerror}") from error
    return moved


def _start() -> None:
    """Starts the service, anew if it runs; raises LocalError with what the daemon says where it does not start."""
    began = int(time.time())
    try:
        _do("systemctl", "restart", NAME)
    except LocalError:
        said = _said_since(began)
        if not said:
            raise
        raise LocalError(f"the service does not start: {said}") from None


def _said_since(began: int) -> str:
    """Returns the last mistake that the service has told since a moment, in Unix seconds; empty for none."""
    import subprocess

    asking = ("journalctl", "--unit", NAME, "--since", f"@{began}", "--output", "cat", "--quiet")
    try:
        lines = subprocess.run(asking, capture_output=True, text=True, check=False).stdout.splitlines()
    except OSError:
        return ""
    return next((line.removeprefix(_SAID) for line in reversed(lines) if line.startswith(_SAID)), "")


def _needed() -> tuple[Path, ...]:
    """Returns what the program runs on: its interpreter, that one's library, and this package."""
    return Path(sys.executable), Path(sys.base_prefix), Path(mycelium.__file__)


def _require_systemd() -> None:
    if not runs_systemd():
        raise LocalError("systemd does not run on this host: have whatever starts its services run 'mycelium'")
    if os.geteuid() != 0:
        raise LocalError("only root can change the services of this host: try it with sudo")


def _program() -> Path:
    """Returns the program that this process was started as, or the one beside its interpreter."""
    found = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == NAME else None
    return Path(found).absolute() if found else Path(sys.executable).with_name(NAME)


def _do(*command: str) -> None:
    """Runs a command; raises LocalError with what it complains about."""
    import subprocess  # here, because it would slow down every command

    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LocalError(f"this host has no program {command[0]}") from None
    if done.returncode != 0:
        reason = done.stderr.strip() or f"exit status {done.returncode}"
        raise LocalError(f"'{' '.join(command)}' failed: {reason}")
