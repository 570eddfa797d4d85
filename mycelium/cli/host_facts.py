"""What this host tells of whether a daemon can work here."""

import ctypes
import os
import platform
import re
import socket
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from mycelium import __version__
from mycelium.admin.checkup import HostFacts
from mycelium.admin.config import Settings
from mycelium.admin.firewall import Obstacle, obstacles
from mycelium.admin.setting import flag
from mycelium.cli.named_files import file_troubles
from mycelium.peer_url import DEFAULT_PORT, PeerUrl

OVERLAY_ADDRESS: Final = "400::1"  # any: nothing is sent to it
_TUN: Final = Path("/dev/net/tun")
_NET_ADMIN: Final = 1 << 12  # linux/capability.h
_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC, linux/timex.h
_LIBRARIES: Final = ("cryptography", "pynacl", "msgspec", "uvloop")
_RULES: Final = ("nft", "-j", "list", "ruleset")
_RULES_S: Final = 5.0  # for the answer
_REST_BYTES: Final = 256  # more than the rest of struct timex has


class _Timex(ctypes.Structure):
    """The begin of struct timex, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("most_error", ctypes.c_long),
        ("likely_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * _REST_BYTES),
    )


def running(interface: str | None, listening: list[str]) -> HostFacts:
    """Returns what matters to a running daemon, with the name of its interface and the URLs that it listens at."""
    source, trouble = _source_of(OVERLAY_ADDRESS)
    return HostFacts(
        time_s=time.time(),
        is_clock_synchronised=is_clock_synchronised(),
        ipv6_off=_ipv6_off(["all", *([interface] if interface else [])]),
        overlay_source=source,
        no_overlay_route=trouble,
        software=f"Python {platform.python_version()}, Linux {platform.release()}, {_libraries()}",
        version=__version__,
        obstacles=_obstacles([PeerUrl.parse_listen(url) for url in listening]),
    )


def before_a_start(settings: Settings, config_file: Path | None = None) -> HostFacts:
    """Returns what matters to a daemon that is to be started with these settings, of a configuration file perhaps."""
    has_tun = not settings.no_tun
    return HostFacts(
        time_s=time.time(),
        is_clock_synchronised=is_clock_synchronised(),
        ipv6_off=_ipv6_off(["all", "default"]) if has_tun else None,
        device_trouble=_device_trouble() if has_tun else None,
        lacks_rights=has_tun and not has_net_admin(),
        port_trouble=_port_trouble([url.port for url in settings.listen] or [DEFAULT_PORT]),
        file_troubles=[f"{flag(name)}: {trouble}" for name, trouble in file_troubles(settings, config_file)],
    )


def _libraries() -> str:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def _obstacles(listening: list[PeerUrl]) -> list[Obstacle] | None:
    """Returns which rules of nftables keep others from the ports of UDP; None where they can't be read."""
    try:
        done = subprocess.run(_RULES, capture_output=True, timeout=_RULES_S, check=True)
        ruleset = msgspec.json.decode(done.stdout)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError):
        return None  # no nft, no rights, or too many rules
    ports = sorted({url.port for url in listening if url.scheme in ("", "udp")})
    return [one for port in ports for one in obstacles(ruleset, port)]


def is_clock_synchronised() -> bool | None:
    """Asks the kernel whether a time server keeps its clock (adjtimex(2)); None where it does not say."""
    state = _Timex()  # with modes 0, so that nothing is changed
    try:
        failed = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state)) < 0
    except (OSError, AttributeError):
        return None
    return None if failed else not state.status & _UNSYNCHRONISED


def has_net_admin() -> bool:
    """Tells whether this process may set up interfaces."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & _NET_ADMIN)


def _ipv6_off(interfaces: list[str]) -> str | None:
    for name in interfaces:
        path = Path("/proc/sys/net/ipv6/conf", name, "disable_ipv6")
        try:
            is_off = path.read_text().strip() != "0"
        except OSError:
            continue  # the interface is gone, or the kernel has no IPv6: the route tells
        if is_off:
            return f"net.ipv6.conf.{name}.disable_ipv6"
    return None


def _source_of(address: str) -> tuple[str | None, str | None]:
    """Returns the address that packets to this one would come from, or why there is none."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
            asking.connect((address, 9))
            return str(asking.getsockname()[0]), None
    except OSError as error:
        return None, error.strerror or str(error)


def _device_trouble() -> str | None:
    try:
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError as error:
        return f"{_TUN}: {error.strerror}"
    return None


def _port_trouble(ports: list[int]) -> str | None:
    for port in ports:
        for kind, name in ((socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")):
            try:
                with socket.socket(socket.AF_INET6, kind) as trying:
                    trying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                    if kind == socket.SOCK_STREAM:
                        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    trying.bind(("::", port))
            except OSError as error:
                return f"{name} port {port}: {error.strerror}"
    return None
