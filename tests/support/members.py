"""Meshes of members: nodes with a root key's certificates, each behind its gate."""

from functools import partial
from itertools import pairwise

from mycelium.crypto.hybrid import hybrid_key, hybrid_sign
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import Primitives, RealPrimitives
from mycelium.identity import Identity
from mycelium.link.events import ItemsReceived
from mycelium.membership.certificates import Holder, issue, sign_removals
from mycelium.membership.membership import Membership
from mycelium.node.member_gate import MemberGate
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from mycelium.wire.control import Item
from mycelium.wire.hybrid import HybridKey
from mycelium.wire.membership import Certificate, Chain, Credentials, Removals, pieces_of
from sim.net.node_net import NodeNet

ROOT = Identity(b"r" * 32)
OTHER_ROOT = Identity(b"o" * 32)
PSK = b"k" * 32
START = 1_800_000_000  # Unix seconds when the clock of the mesh is 0
DAY_S = 86_400
PRIMITIVES = RealPrimitives()


def key_of(signer: Identity) -> HybridKey:
    """Returns both public keys of a signer."""
    return hybrid_key(KeyProver(signer, PRIMITIVES))


ROOT_KEY = key_of(ROOT)


def holder_of(identity: Identity) -> Holder:
    """Returns whom a certificate of a node is for."""
    return Holder(identity.signing_public_key, KeyProver(identity, PRIMITIVES).fingerprint)


def certificate(
    holder: Identity,
    issuer: Identity = ROOT,
    *,
    root: Identity = ROOT,
    begin: int = START - DAY_S,
    end: int = START + DAY_S,
    may_issue: bool = False,
    fingerprint: bytes | None = None,
    primitives: Primitives = PRIMITIVES,
) -> Certificate:
    """Returns a certificate, valid for a day around the start and naming its holder's keys unless it is said otherwise."""
    sign = partial(hybrid_sign, KeyProver(issuer, primitives))
    named = holder_of(holder) if fingerprint is None else Holder(holder.signing_public_key, fingerprint)
    return issue(named, key_of(root), sign, not_before=begin, not_after=end, may_issue=may_issue)


def invited(holder: Identity, issuer: Identity, of_issuer: Certificate | None = None) -> Chain:
    """Returns the certificate of a node that a member has issued, and that of the member, one that may unless it is given."""
    own = certificate(issuer, may_issue=True) if of_issuer is None else of_issuer
    return Chain(certificate(holder, issuer), own, key_of(issuer).proof_key)


def removals(
    sequence: int, *removed: Identity, part: int = 0, root: Identity = ROOT, primitives: Primitives = PRIMITIVES
) -> Removals:
    """Returns a signed part of the removed members."""
    subnets = tuple(one.address[:8] for one in removed)
    return sign_removals(Removals(part, sequence, subnets), partial(hybrid_sign, KeyProver(root, primitives)))


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
        chain = Chain(certificate(node.identity, end=end)) if chain is None else chain
        membership = Membership(Credentials(key_of(root), chain), PRIMITIVES, offset_s=START - self.net.now)

        def note(address: bytes, why: str, *, now: float) -> None:
            self.refused.append((name, address, why))

        gate = self.gates[name] = MemberGate(
            membership, node.neighbours, node.sessions, policy, excesses=node.routing.excesses, on_refused=note
        )
        node.neighbours.sift = gate.sift
        node.neighbours.peering.members = gate
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


def joined(*names: str) -> MemberNet:
    """Returns a line of members, not run."""
    mesh = MemberNet()
    for name in names:
        mesh.add(name)
    for one, other in pairwise(names):
        mesh.net.join(one, other)
    return mesh


def shown(name: bytes, *statements: Chain | Removals) -> ItemsReceived:
    """Returns what a link reports of a neighbour's statements."""
    items: list[Item] = [piece for statement in statements for piece in pieces_of(statement)]
    return ItemsReceived(name, items)
