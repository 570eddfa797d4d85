"""Cables between hosts: veth pairs, or pairs of TAP devices with an emulator between them."""

import json
from typing import Final, NamedTuple

from tests.lab.cable_emulator import CableEmulator, CableTraits, open_tap
from tests.lab.namespaces import LabHost, run_batch
from tests.lab.offload import switch_segmentation

FIRST_INDEX: Final = 1_000
BURST_BYTES: Final = 5_000  # that a cable with a rate lets pass at once: a few packets


class CableEnd(NamedTuple):
    """One end of a cable."""

    host: LabHost
    interface: str
    ipv4: str
    ipv6: str

    def set_filter(self, rule: str) -> None:
        """Applies an nftables rule to everything that arrives at this end; an empty rule lets everything pass."""
        chain = f'chain arriving {{\n type filter hook ingress device "{self.interface}" priority 0\n {rule}\n }}\n'
        table = f"table netdev {self.interface}"
        self.host.apply_rules(f"{table}\ndelete {table}\n{table} {{\n {chain} }}\n")


class Cable:
    """A cable between two hosts. Its carrier stays up whatever `cut` and `lose` do to its traffic."""

    def __init__(self, first: CableEnd, second: CableEnd) -> None:
        self.ends = (first, second)

    def end(self, host: LabHost) -> CableEnd:
        """Returns the end that is at `host`."""
        return self.ends[0] if self.ends[0].host is host else self.ends[1]

    def far_end(self, host: LabHost) -> CableEnd:
        """Returns the end that is not at `host`."""
        return self.ends[1] if self.ends[0].host is host else self.ends[0]

    def cut(self, *, towards: LabHost | None = None) -> None:
        """Drops everything silently; with `towards`, in that direction only."""
        for end in self.ends:
            if towards is None or end.host is towards:
                end.set_filter("drop")

    def mend(self) -> None:
        """Lets all packets pass again."""
        for end in self.ends:
            end.set_filter("")

    def lose(self, percent: float) -> None:
        """Drops a random share of the packets each way; super-packets are cut first, so that each packet has its own fate."""
        for end in self.ends:
            with end.host.entered():
                switch_segmentation(end.interface, on=False)
            end.set_filter(f"numgen random mod 100000 < {round(percent * 1_000)} counter drop")

    def dropped(self) -> int:
        """Returns how many packets `lose` and `limit` have dropped at both ends since each was called last."""
        return sum(_dropped_by_rules(end) + _dropped_by_queue(end) for end in self.ends)

    def limit(self, megabits: float, *, queue_s: float) -> None:
        """Lets so many megabits a second pass each way, behind a queue that drops what would wait longer; 0: no limit."""
        for end in self.ends:
            end.host.run("tc", "qdisc", "delete", "dev", end.interface, "root", check=False)
            if megabits:
                rate = f"rate {megabits}mbit burst {BURST_BYTES} latency {queue_s * 1e3:g}ms"
                end.host.run("tc", "qdisc", "add", "dev", end.interface, "root", "tbf", *rate.split())

    def set_mtu(self, mtu: int) -> None:
        """Sets the largest packet that the interfaces carry."""
        for end in self.ends:
            end.host.ip(f"link set {end.interface} mtu {mtu}")

    def set_carrier(self, *, up: bool) -> None:
        """Plugs or unplugs a veth cable; both ends see it."""
        self.ends[0].host.ip(f"link set {self.ends[0].interface} {'up' if up else 'down'}")

    def change_address(self, host: LabHost, ipv4: str, ipv6: str) -> None:
        """Replaces the addresses at one end, as a move to another network does; the other end is not told."""
        old = self.end(host)
        host.ip(
            f"address del {old.ipv4}/24 dev {old.interface}",  # deleted first: this also deletes secondary addresses
            f"address del {old.ipv6}/64 dev {old.interface}",
            f"address add {ipv4}/24 dev {old.interface}",
            f"address add {ipv6}/64 dev {old.interface} nodad",
        )
        new = old._replace(ipv4=ipv4, ipv6=ipv6)
        self.ends = (new, self.ends[1]) if self.ends[0] is old else (self.ends[0], new)


def _dropped_by_rules(end: CableEnd) -> int:
    done = end.host.run("nft", "-j", "list", "table", "netdev", end.interface, check=False)
    rules = [entry["rule"] for entry in json.loads(done.stdout or "{}").get("nftables", ()) if "rule" in entry]
    parts = [part for rule in rules for part in rule["expr"]]
    return sum(part["counter"]["packets"] for part in parts if "counter" in part)


def _dropped_by_queue(end: CableEnd) -> int:
    queues = json.loads(end.host.run("tc", "-s", "-j", "qdisc", "show", "dev", end.interface).stdout)
    return sum(queue.get("drops", 0) for queue in queues)


def lay_veth(one: CableEnd, two: CableEnd, number: int) -> None:
    """Makes both interfaces of the cable of this number, as a veth pair."""
    # The kernel reports a carrier at once only where the two indices differ; else it may take a second.
    peer = f"peer name {two.interface} index {2 * number + FIRST_INDEX + 1} netns {two.host.namespace}"
    device = f"name {one.interface} index {2 * number + FIRST_INDEX} netns {one.host.namespace}"
    run_batch("ip", lines=[f"link add {device} type veth {peer}"])


def lay_tap(one: CableEnd, two: CableEnd, traits: CableTraits, emulator: CableEmulator) -> None:
    """Makes both interfaces of a cable, as TAP devices whose frames an emulator carries."""
    descriptors = []
    for end in (one, two):
        with end.host.entered():
            descriptors.append(open_tap(end.interface))
    emulator.carry(descriptors[0], descriptors[1], traits)
