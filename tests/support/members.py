"""Meshes of members: nodes with a root key's certificates, each behind its gate."""

from mycelium.identity import Identity
from mycelium.membership.certificates import issue, sign_removals
from mycelium.membership.membership import Membership
from mycelium.node.member_gate import MemberGate
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from mycelium.wire.membership import Certificate, Chain, Removals
from sim.net.node_net import NodeNet

ROOT = Identity(b"r" * 32)
OTHER_ROOT = Identity(b"o" * 32)
PSK = b"k" * 32
START = 1_800_000_000  # Unix seconds when the clock of the mesh is 0
DAY_S = 86_400


def certificate(
    holder: Identity,
    issuer: Identity = ROOT,
    *,
    root: Identity = ROOT,
    begin: int = START - DAY_S,
    end: int = START + DAY_S,
    may_issue: bool = False,
) -> Certificate:
    """Returns a certificate, valid for a day around the start unless it is said otherwise."""
    key, public = holder.signing_public_key, root.signing_public_key
    return issue(key, public, issuer.sign, not_before=begin, not_after=end, may_issue=may_issue)


def removals(sequence: int, *removed: Identity, part: int = 0, root: Identity = ROOT) -> Removals:
    """Returns a signed part of the removed members."""
    return sign_removals(Removals(part, sequence, tuple(one.address[:8] for one in removed)), root.sign)


class MemberNet:
    """A mesh in which each node has the network's key, and a certificate where it is given one."""

    def __init__(self) -> None:
        self.net = NodeNet()
        self.gates: dict[str, MemberGate] = {}
        self.refused: list[tuple[str, bytes, str]] = []  # by whom, whom, why

    def add(
        self, name: str, chain: Chain | None = None, *, root: Identity = ROOT, end: int = START + DAY_S
    ) -> Identity:
        """Adds a node, with a certificate of its own unless another chain is given."""
        policy = NodePolicy(parse_policy("open"), is_private=True)
        host = self.net.add(name, psk=PSK, policy=policy)
        node = host.node
        chain = (certificate(node.identity, end=end),) if chain is None else chain
        membership = Membership(root.signing_public_key, chain, offset_s=START - self.net.now)

        def note(address: bytes, why: str, *, now: float) -> None:
            self.refused.append((name, address, why))

        gate = self.gates[name] = MemberGate(
            membership, node.neighbours, node.sessions, policy, excesses=node.routing.excesses, on_refused=note
        )
        node.neighbours.sift = gate.sift
        policy.bars = gate.bars
        return node.identity

    def add_stranger(self, name: str) -> Identity:
        """Adds a node that has the network's key, and no certificate."""
        return self.net.add(name, psk=PSK).node.identity

    def run(self, seconds: float) -> None:
        """Runs the mesh, with a sweep of each gate every second."""
        for _ in range(int(seconds)):
            self.net.run(1)
            for name, gate in self.gates.items():
                gate.sweep(now=self.net.now)
                self.net.drain(name)
