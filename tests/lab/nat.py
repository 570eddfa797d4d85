"""Networks behind NATs: home routers of the classic kinds, made of network namespaces and nftables.

The kinds are those of RFC 3489, in the words of RFC 4787: a cone maps an inner endpoint to the same outer port whatever the
destination, and the kinds of cones differ in whom they let in. As home routers do, these drop what nobody asked for without a
word and without a trace: a conntrack entry of a refused datagram would keep its port from the host that asks later.
"""

import enum
from typing import Final

from tests.lab.cable import Cable, CableEnd
from tests.lab.cable_emulator import CableTraits
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost

UDP_TIMEOUT_S: Final = 120  # the least of RFC 4787, REQ-5
PUBLIC_OCTET: Final = 11  # what IPv4 addresses of the lab's internet begin with; 10 is for private networks
PRIVATE_OCTET: Final = 10


class NatKind(enum.Enum):
    """What stands between a host and the internet."""

    PUBLIC = "public"  # nothing
    FIREWALL = "firewall"  # public addresses behind a stateful firewall
    FULL_CONE = "full cone"
    ADDRESS_RESTRICTED = "address-restricted"
    PORT_RESTRICTED = "port-restricted"
    SYMMETRIC = "symmetric"


CLASSIC: Final = tuple(kind for kind in NatKind if kind is not NatKind.FIREWALL)

WHO_COMES_IN: Final = {  # beside the answers of those spoken to: conditions under which a mapping is open to strangers
    NatKind.FULL_CONE: "",
    NatKind.ADDRESS_RESTRICTED: "udp dport . ip saddr @spoken",
}


class Network:
    """A network whose hosts have one gateway."""

    def __init__(self, lab: Lab, gateway: LabHost, octet: int) -> None:
        self.lab = lab
        self.gateway = gateway
        self._octet = octet
        gateway.sysctl("net.ipv4.ip_forward", 1)

    def add_host(self, name: str, *, traits: CableTraits | None = None) -> LabHost:
        """Makes a host on a cable of its own to the gateway, which is its default route."""
        return self.attach(name, traits=traits).far_end(self.gateway).host

    def attach(self, name: str, *, traits: CableTraits | None = None) -> Cable:
        """Does what `add_host` does and returns the cable."""
        (host,) = self.lab.add_hosts([name])
        cable = self.lab.add_cable(self.gateway, host, traits=traits, octet=self._octet)
        host.ip(f"route add default via {cable.end(self.gateway).ipv4}")
        return cable

    def add_nat(
        self, name: str, kind: NatKind, *, traits: CableTraits | None = None, hairpin: bool = False
    ) -> "NatRouter":
        """Makes a router on this network with a network of its own behind it."""
        return NatRouter(self, self.attach(name, traits=traits), kind, hairpin=hairpin)

    def add_behind(self, kind: NatKind, name: str, *, traits: CableTraits | None = None) -> LabHost:
        """Makes a host behind a router of this kind, or on this network itself if the kind is public."""
        if kind is NatKind.PUBLIC:
            return self.add_host(name, traits=traits)
        return self.add_nat(f"{name}-nat", kind, traits=traits).add_host(name)


class Internet(Network):
    """The network of public addresses."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, lab.add_hosts(["internet"])[0], PUBLIC_OCTET)


class NatRouter(Network):
    """A router with one outer address, and the network behind it; `outer` is its end of the cable to the outer network."""

    def __init__(self, outside: Network, cable: Cable, kind: NatKind, *, hairpin: bool) -> None:
        box = cable.far_end(outside.gateway).host
        super().__init__(outside.lab, box, PUBLIC_OCTET if kind is NatKind.FIREWALL else PRIVATE_OCTET)
        self.kind = kind
        self.outer: CableEnd = cable.end(box)
        self._outside = outside
        self._hairpin = hairpin
        box.apply_rules(_filter_rules(self.outer.interface))
        self.set_udp_timeout(UDP_TIMEOUT_S)

    def attach(self, name: str, *, traits: CableTraits | None = None) -> Cable:
        """Does what `add_host` does and returns the cable; behind a firewall the host's address is known outside."""
        cable = super().attach(name, traits=traits)
        if self.kind is NatKind.FIREWALL:
            self._outside.gateway.ip(f"route add {cable.far_end(self.gateway).ipv4} via {self.outer.ipv4}")
        return cable

    def set_udp_timeout(self, seconds: int) -> None:
        """Sets how long a mapping of UDP lives without traffic; mappings in use take it over with their next datagram."""
        for name in ("udp_timeout", "udp_timeout_stream"):
            self.gateway.sysctl(f"net.netfilter.nf_conntrack_{name}", seconds)
        if self.kind is not NatKind.FIREWALL:
            self.gateway.apply_rules(_nat_rules(self.kind, self.outer, seconds, hairpin=self._hairpin))

    def drop_udp(self) -> None:
        """Drops all UDP either way, that of established flows too."""
        self._set_egress("meta l4proto udp drop")

    def let_only_https_out(self) -> None:
        """Drops everything either way but TCP to port 443 outside."""
        outer = f'"{self.outer.interface}"'
        self._set_egress(f"oifname {outer} tcp dport 443 accept\n iifname {outer} tcp sport 443 accept\n drop")

    def let_all_out(self) -> None:
        """Takes back `drop_udp` and `let_only_https_out`."""
        self._set_egress("")

    def _set_egress(self, rules: str) -> None:
        chain = f"chain forward {{\n type filter hook forward priority -10\n {rules}\n }}\n"
        self.gateway.apply_rules(f"table ip egress\ndelete table ip egress\ntable ip egress {{\n {chain} }}\n")


def _filter_rules(outer: str) -> str:
    """Returns the rules of a stateful firewall that drops silently."""
    return f"""
table ip firewall {{
  chain input {{
    type filter hook input priority 0
    iifname "{outer}" ct state established,related accept
    iifname "{outer}" drop
  }}
  chain forward {{
    type filter hook forward priority 0
    ct state established,related accept
    iifname "{outer}" ct status dnat accept
    iifname "{outer}" drop
  }}
}}
"""


def _nat_rules(kind: NatKind, outer: CableEnd, timeout_s: int, *, hairpin: bool) -> str:
    """Returns the rules of a NAT.

    Those of masquerading alone make a port-restricted cone, since Linux keeps the port, and for an inner endpoint that has a
    mapping also the port it chose. The map `inside` remembers whose an outer port is, `spoken` to whom that one has spoken.
    """
    rules = []
    if kind in WHO_COMES_IN:
        rules.append(f'iifname "{outer.interface}" {WHO_COMES_IN[kind]} dnat to udp dport map @inside')
    if hairpin:
        rules.append(f'iifname != "{outer.interface}" ip daddr {outer.ipv4} dnat to udp dport map @inside')
    incoming = "\n    ".join(rules)
    mapping = "masquerade fully-random" if kind is NatKind.SYMMETRIC else "masquerade"
    return f"""
table ip nat
delete table ip nat
table ip nat {{
  map inside {{
    type inet_service : ipv4_addr . inet_service
    size 65535
    flags dynamic,timeout
    timeout {timeout_s}s
  }}
  set spoken {{
    type inet_service . ipv4_addr
    size 65535
    flags dynamic,timeout
    timeout {timeout_s}s
  }}
  chain incoming {{
    type nat hook prerouting priority dstnat
    {incoming}
  }}
  chain outgoing {{
    type nat hook postrouting priority srcnat
    oifname "{outer.interface}" {mapping}
    iifname != "{outer.interface}" ct status dnat snat to {outer.ipv4}
  }}
  chain remember {{
    type filter hook postrouting priority srcnat + 10
    oifname != "{outer.interface}" accept
    meta l4proto != udp accept
    update @spoken {{ udp sport . ip daddr }}
    ct direction original update @inside {{ udp sport : ct original ip saddr . ct original proto-src }}
    ct direction reply update @inside {{ udp sport : ct reply ip saddr . ct reply proto-src }}
  }}
}}
"""
