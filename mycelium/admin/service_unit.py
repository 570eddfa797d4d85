"""The unit by which systemd runs the daemon: as a user of its own, with two capabilities, in a sandbox."""

import os
from pathlib import Path
from typing import Final

from mycelium.errors import LocalError

NAME: Final = "mycelium"  # of the service and of its user
CONFIG_FILE: Final = Path("/etc/mycelium/mycelium.toml")
STATE_FOLDER: Final = Path("/var/lib/mycelium")
RESOLVED: Final = Path("/run/systemd/resolve")  # is there where systemd-resolved runs
_DEVICES: Final = "/proc/{}/net/dev"  # a file of its own in each network namespace, which any user may look at

_HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
_UNIT: Final = """\
[Unit]
Description=Mycelium, a mesh overlay network
Wants=network-pre.target
After=network-pre.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=%(program)s
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=30
Restart=always
RestartSec=1
# a mistake in the settings, which no restart mends
RestartPreventExitStatus=2
TimeoutStopSec=5

User=%(name)s
Environment=XDG_CONFIG_HOME=%(etc)s XDG_DATA_HOME=%(lib)s
ConfigurationDirectory=mycelium
StateDirectory=mycelium
StateDirectoryMode=0700
UMask=0077
LimitNOFILE=65536

# the second one for port 53 at the overlay address, where names of nodes are looked up
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""
# systemd-resolved lets nobody but root set up an interface's names, unless polkit says so.
POLKIT_RULE: Final = """\
// The service of mycelium tells systemd-resolved where names of nodes are looked up.
polkit.addRule(function (action, subject) {
    var allowed = ["org.freedesktop.resolve1.set-dns-servers", "org.freedesktop.resolve1.set-domains"];
    if (subject.user == "mycelium" && allowed.indexOf(action.id) >= 0) {
        return polkit.Result.YES;
    }
});
"""


def runs_resolved() -> bool:
    """Tells whether systemd-resolved runs and knows the interfaces of this process: those of init's network namespace.

    In another one an interface has the number of a different one there, whose servers it would be told.
    """
    try:
        is_inits = os.path.samefile(_DEVICES.format(1), _DEVICES.format("thread-self"))
    except OSError:  # of a service that sees no other process
        is_inits = True
    return is_inits and RESOLVED.is_dir()


def unit_text(program: Path, *needed: Path) -> str:
    """Returns the unit that runs a program; raises LocalError where its sandbox hides that, or what the program needs."""
    for path in (program, program.resolve(), *(one.resolve() for one in needed)):
        for folder in _HIDDEN:
            if path.is_relative_to(folder):
                raise LocalError(
                    f"a service can't run {program}: {'' if path == program else f'it needs {path}, and '}what is below "
                    f"{folder} is hidden from it; install mycelium for all users, as with 'pipx install --global' or a "
                    "virtual environment in /opt"
                )
    quoted = str(program).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return _UNIT % {
        "program": f'"{quoted}"' if " " in quoted else quoted,
        "name": NAME,
        "etc": CONFIG_FILE.parents[1],
        "lib": STATE_FOLDER.parent,
    }
