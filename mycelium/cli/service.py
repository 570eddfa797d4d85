"""`mycelium service`: the daemon as a service of systemd."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from mycelium.admin.service_unit import CONFIG_FILE, NAME, POLKIT_RULE, STATE_FOLDER, unit_text
from mycelium.errors import LocalError

UNIT_FILE: Final = Path(f"/etc/systemd/system/{NAME}.service")
PACKAGED_UNIT_FILE: Final = Path(f"/usr/lib/systemd/system/{NAME}.service")  # that of a distribution's package
POLKIT_RULES: Final = Path("/etc/polkit-1/rules.d")  # is there where polkit is installed
RULE_FILE: Final = f"50-{NAME}.rules"
SYSTEMD: Final = Path("/run/systemd/system")  # is there where systemd runs, as sd_booted(3) says
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
    install_service()
    click.echo(f"the daemon runs, now and from each start of this host: 'systemctl status {NAME}', 'mycelium status'")


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
    click.echo(unit_text(_program()), nl=False)


def runs_systemd() -> bool:
    """Tells whether systemd manages the services of this host."""
    return SYSTEMD.is_dir()


def install_service() -> None:
    """Installs the service with its user, and starts it, anew if it runs; raises LocalError."""
    from mycelium.admin.whole_file import PUBLIC, replace_whole

    _require_systemd()
    text = "" if PACKAGED_UNIT_FILE.exists() else unit_text(_program())
    make_user()
    if text:
        replace_whole(UNIT_FILE, text.encode(), mode=PUBLIC)
        if POLKIT_RULES.is_dir():
            replace_whole(POLKIT_RULES / RULE_FILE, POLKIT_RULE.encode(), mode=PUBLIC)
    _do("systemctl", "daemon-reload")
    _do("systemctl", "enable", NAME)
    _do("systemctl", "restart", NAME)


def make_user() -> None:
    """Makes the user that the service runs as, unless there is one."""
    import pwd

    try:
        pwd.getpwnam(NAME)
    except KeyError:
        _do(*_USERADD, "--home-dir", str(STATE_FOLDER), NAME)


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
