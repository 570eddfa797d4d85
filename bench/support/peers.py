"""What others have written: each sets up a line of hosts, with the defaults of its authors wherever they have any.

Debian unstable has current versions. On Debian they are unpacked aside, into `peers`, by

    mkdir -p peers/apt/lists/partial peers/apt/archives/partial && cd peers
    signed=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [$signed] http://deb.debian.org/debian sid main" > apt/sources.list
    own="-o Dir::Etc::SourceList=$PWD/apt/sources.list -o Dir::Etc::SourceParts=- -o Dir::State=$PWD/apt"
    own="$own -o Dir::State::status=/dev/null -o Dir::Cache=$PWD/apt"
    apt-get $own update && apt-get $own download nebula wireguard-go yggdrasil
    for package in *.deb; do dpkg-deb -x $package .; done
"""

import json
import subprocess
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from bench.support.line import READY_SECONDS, Line, checked, names_of, two_hosts
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import wait_until

WIREGUARD_PORT: Final = 51_820
YGGDRASIL_PORT: Final = 9_001
NEBULA_PORT: Final = 4_242


def wireguard_go(lab: Lab, directory: Path, relays: int) -> Line:
    """wireguard-go: one point-to-point tunnel, no mesh."""
    hosts = two_hosts(lab, relays)
    keys = [host.run("wg", "genkey").stdout.strip() for host in hosts]
    for number, (host, other, key, other_key) in enumerate(zip(hosts, hosts[::-1], keys, keys[::-1], strict=True), 1):
        file = directory / f"{host.name}.wg"
        file.write_text(key)
        other_public = host.run("sh", "-c", f"echo {other_key} | wg pubkey").stdout.strip()
        host.run("wireguard-go", f"wg{number}")
        endpoint = f"{lab.cables[0].end(other).ipv4}:{WIREGUARD_PORT}"
        peer = ("peer", other_public, "allowed-ips", "::/0", "endpoint", endpoint)
        host.run("wg", "set", f"wg{number}", "listen-port", str(WIREGUARD_PORT), "private-key", file, *peer)
        host.ip(f"address add fd77::{number}/64 dev wg{number} nodad", f"link set wg{number} up mtu 1420")
    return checked(Line(hosts[0], hosts[1], "fd77::2", lab.cables))


def yggdrasil(lab: Lab, directory: Path, relays: int) -> Line:
    """Yggdrasil with TCP peerings."""
    hosts = lab.add_hosts(names_of(relays))
    cables = [lab.add_cable(one, other) for one, other in pairwise(hosts)]
    addresses = []
    for number, host in reversed(
        list(enumerate(hosts))
    ):  # listeners first: a refused dial is retried only after a minute
        dialled = [cables[number].far_end(host).ipv4] if host is not hosts[-1] else []
        addresses.append(start_yggdrasil(host, directory, dialled)[0])
    return checked(Line(hosts[0], hosts[-1], addresses[0], cables))


def start_yggdrasil(host: LabHost, directory: Path, dialled: Sequence[str]) -> "tuple[str, subprocess.Popen[str]]":
    """Starts yggdrasil, dialling IPv4 addresses, waits until it listens, and returns its own address and its process."""
    file = directory / f"{host.name}.conf"
    config = json.loads(host.run("yggdrasil", "-genconf", "-json").stdout)
    peers = [f"tcp://{address}:{YGGDRASIL_PORT}" for address in dialled]
    config |= {"Listen": [f"tcp://0.0.0.0:{YGGDRASIL_PORT}"], "Peers": peers, "MulticastInterfaces": []}
    config |= {"AdminListen": "none", "IfName": "ygg0"}
    file.write_text(json.dumps(config))
    address = host.run("yggdrasil", "-useconffile", file, "-address").stdout.strip()
    with (directory / f"{host.name}.log").open("w") as log:
        process = host.start("yggdrasil", "-useconffile", file, stdout=log, stderr=subprocess.STDOUT)
    wait_until(partial(host.listens, YGGDRASIL_PORT), READY_SECONDS, "yggdrasil listens")
    return address, process


def nebula(lab: Lab, directory: Path, relays: int) -> Line:
    """Nebula with UDP; every host but the last is a lighthouse, and the one between two ends relays."""
    hosts = lab.add_hosts(names_of(relays))
    cables = [lab.add_cable(one, other) for one, other in pairwise(hosts)]
    in_directory = partial(subprocess.run, cwd=directory, check=True, capture_output=True)
    in_directory(["nebula-cert", "ca", "-name", "bench"])
    addresses = [f"10.77.0.{number}" for number in range(1, len(hosts) + 1)]
    for number, (host, address) in enumerate(zip(hosts, addresses, strict=True)):
        in_directory(["nebula-cert", "sign", "-name", host.name, "-networks", f"{address}/24"])
        neighbours = {
            addresses[at]: [f"{cable.far_end(host).ipv4}:{NEBULA_PORT}"]
            for at, cable in ((number - 1, cables[number - 1]), (number + 1, cables[number % len(cables)]))
            if 0 <= at < len(hosts)
        }
        between = addresses[1:-1]
        is_between = address in between
        rule = [{"port": "any", "proto": "any", "host": "any"}]
        config = {
            "pki": {"ca": "ca.crt", "cert": f"{host.name}.crt", "key": f"{host.name}.key"},
            "static_host_map": neighbours,
            "lighthouse": {"am_lighthouse": is_between, "hosts": [] if is_between else between},
            "relay": {"am_relay": is_between, "relays": [] if is_between else between, "use_relays": True},
            "listen": {"host": "0.0.0.0", "port": NEBULA_PORT},
            "tun": {"dev": "neb0"},
            "firewall": {"outbound": rule, "inbound": rule},
        }
        file = directory / f"{host.name}.json"  # which is YAML too
        file.write_text(json.dumps(config))
        with (directory / f"{host.name}.log").open("w") as log:
            host.start("nebula", "-config", file, cwd=directory, stdout=log, stderr=subprocess.STDOUT)
    return checked(Line(hosts[0], hosts[-1], addresses[-1], cables))


def tinc(lab: Lab, directory: Path, relays: int) -> Line:
    """Tinc 1.0 in router mode; each host connects to the next one."""
    hosts = lab.add_hosts(names_of(relays))
    cables = [lab.add_cable(one, other) for one, other in pairwise(hosts)]
    shared = directory / "hosts"
    shared.mkdir()
    for number, host in enumerate(hosts):
        folder = directory / host.name
        folder.mkdir()
        (folder / "hosts").symlink_to(shared)
        onward = f"ConnectTo = {hosts[number + 1].name}\n" if host is not hosts[-1] else ""
        (folder / "tinc.conf").write_text(f"Name = {host.name}\nInterface = tinc0\n{onward}")
        listens = f"Address = {cables[number - 1].end(host).ipv4}\n" if number else ""
        (shared / host.name).write_text(f"{listens}Subnet = fd78::{number + 1}/128\n")
        host.run("tincd", "-c", folder, "-K2048")
    for number, host in reversed(list(enumerate(hosts))):  # listeners first: a refused dial is retried only later
        with (directory / f"{host.name}.log").open("w") as log:
            pid_file = directory / f"{host.name}.pid"
            options = ("-c", directory / host.name, "--pidfile", pid_file, "-D")
            host.start("tincd", *options, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        wait_until(partial(host.has_interface, "tinc0"), READY_SECONDS, "tinc has its interface")
        host.ip(f"address add fd78::{number + 1}/64 dev tinc0 nodad", "link set tinc0 up")
    return checked(Line(hosts[0], hosts[-1], f"fd78::{len(hosts)}", cables))
