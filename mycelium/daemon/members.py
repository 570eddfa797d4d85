"""The membership of a running node: its certificates, the clock that they are judged by, and who was removed, kept on disk."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final

from mycelium.admin.checkup import NO_MEMBER
from mycelium.admin.config import Settings
from mycelium.admin.network_file import NetworkFile
from mycelium.admin.private_file import replace_private
from mycelium.admin.removals_file import REMOVALS_FILE_BYTES, legible_removals, removals_text
from mycelium.admin.state_file import read_state
from mycelium.crypto.hybrid import hybrid_sign
from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon.file_writes import FileWrites
from mycelium.daemon.node_settings import network_of
from mycelium.daemon.peers import Act
from mycelium.daemon.threads import in_thread
from mycelium.errors import ConfigError, LocalError, NotAMember
from mycelium.identity import address_text
from mycelium.membership.certificates import AGO_S, INVITED_S, SKEW_S, Holder, check_claims, check_signatures, issue
from mycelium.membership.membership import Membership
from mycelium.node.event_kind import EventKind
from mycelium.node.member_gate import MemberGate
from mycelium.node.node import Node
from mycelium.policy.node_policy import NodePolicy
from mycelium.wire.membership import Chain, Credentials, Removals, encode_credentials

log = logging.getLogger("mycelium")

SWEEP_S: Final = 1.0
_WARN_S: Final = 14 * 86_400  # before a certificate expires
_ENDS_SOON: Final = "it ends soon"
_ASKED: Final = "who was removed is asked of neighbours: %s"


class Members:
    """A member's part in its network. In a network without members it does nothing. `clock` returns Unix seconds."""

    def __init__(
        self,
        node: Node,
        policy: NodePolicy,
        network: NetworkFile,
        key_file: Path,
        act: Act,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node = node
        self._act = act
        self._clock = clock
        self._path = removals_path(key_file)
        self._saved: frozenset[Removals] = frozenset()  # what the file has
        self._writes = FileWrites(f"cannot write who was removed to {self._path}", level=logging.ERROR)
        self._warned_of = ""  # what the log has said of the certificate
        self._gate: MemberGate | None = None
        if network.credentials is not None:
            self._require_own(network.credentials, at=_within(network.credentials))  # a clock may be set later
            membership = Membership(network.credentials, RealPrimitives(), offset_s=self._offset_s())
            self._gate = MemberGate(
                membership,
                node.neighbours,
                node.sessions,
                policy,
                excesses=node.routing.excesses,
                on_refused=self._refused,
            )
            node.neighbours.sift = self._gate.sift
            node.neighbours.peering.members = self._gate
            policy.bars = self._gate.bars
            node.metrics.add(self._gate.counters)
            self._read(self._gate)

    def summary(self) -> str | None:
        """Returns until when this node is a member, or why it is none, for people; None in a network without members."""
        if self._gate is None:
            return None
        if reason := self._refusal(self._gate):
            return f"{NO_MEMBER}{reason}"
        until = _day(self._until(self._gate))
        removed = len(self._gate.membership.removed)
        return f"until {until}{', may invite' if self._gate.membership.chain.own.may_issue else ''}; {removed} removed"

    def admit(self, holder: Holder) -> bytes:
        """Returns what makes the holder of keys a member, nothing where there are none; raises LocalError."""
        if self._gate is None:
            return b""
        member, prover = self._gate.membership, self._node.prover
        own = member.chain.own
        if not own.may_issue:
            raise LocalError(
                "this member may not invite others: one may that was admitted by 'mycelium network admit --may-invite'"
            )
        at = int(self._clock())
        try:
            member.check_claims(member.chain, self._node.identity.address, now=at - member.offset_s)
        except NotAMember as reason:
            raise LocalError(f"this member may not invite others any more: {reason}") from None
        until = min(at + INVITED_S, own.not_after)
        leaf = issue(holder, member.root, partial(hybrid_sign, prover), not_before=at - AGO_S, not_after=until)
        return encode_credentials(Credentials(member.root, Chain(leaf, own, prover.public_key)))

    async def reload(self, settings: Settings) -> list[str]:
        """Reads the certificates again, shows other ones from now on, and returns what to tell of it."""
        gate = self._gate
        if gate is None:
            return []
        try:
            credentials = (await in_thread(lambda: network_of(settings))).credentials
            if credentials is None:
                raise ConfigError(f"{settings.network_key_file} has no certificate")
            if credentials.chain == gate.membership.chain:
                return []
            self._require_own(credentials, at=self._clock())
        except LocalError as error:
            log.warning("this node goes on with the certificate that it has: %s", error)
            return []
        gate.membership.chain = credentials.chain
        self._warned_of = ""
        self._act(lambda now: gate.show_again(now=now))
        return [f"member {self.summary()}"]

    def tell(self, told: Sequence[Removals]) -> bool:
        """Takes removed members and spreads them; tells whether anything is newer than what was known. Raises LocalError."""
        gate = self._gate
        if gate is None:
            raise LocalError("this node's network has no members: whoever has its key is let in")
        taken: list[bool] = []
        self._act(lambda now: taken.extend([gate.take_removals(one, now=now) for one in told]))
        known = gate.membership.removals
        if not any(taken) and any(known.get(one.part) != one for one in told):
            raise LocalError(
                "these removed members are older than those known here, or of another network; a root file from a backup is "
                f"brought up to date by 'mycelium network recover ROOT {self._path}'"
            )
        return any(taken)

    async def run(self) -> None:
        """Keeps the clock, ends what is no member's any more, and writes down who was removed, until it is cancelled."""
        if (gate := self._gate) is None:
            return
        try:
            while True:
                self._sweep(gate)
                if (removals := _removals(gate)) != self._saved and await self._writes.write(self._write_of(removals)):
                    self._saved = removals
                self._warn(gate)
                await asyncio.sleep(SWEEP_S)
        finally:
            if (removals := _removals(gate)) != self._saved:
                self._writes.write_last(self._write_of(removals))

    def _sweep(self, gate: MemberGate) -> None:
        before, gate.membership.offset_s = gate.membership.offset_s, self._offset_s()
        self._act(lambda now: gate.sweep(now=now))
        if abs(gate.membership.offset_s - before) > SKEW_S:  # the clock was set
            gate.pardon()
            self._act(lambda now: self._node.network_changed(now=now))

    def _refused(self, node: bytes, reason: str, *, now: float) -> None:
        self._node.journal.note(EventKind.MEMBER_REFUSED, node=node, cause=reason, now=now)

    def _require_own(self, credentials: Credentials, *, at: float) -> None:
        """Raises ConfigError for certificates that do not make this node a member at a time."""
        try:
            claims = check_claims(credentials.chain, at=at)
            check_signatures(credentials.chain, credentials.root, RealPrimitives())
        except NotAMember as reason:
            raise ConfigError(f"this node is no member: {reason}") from None
        if claims.addresses[0] != self._node.identity.address:
            raise ConfigError(f"the network's file is that of {address_text(claims.addresses[0])}, another node")
        if claims.fingerprint not in (None, self._node.prover.fingerprint):
            raise ConfigError("this node's certificate names another ML-DSA key: have it admitted again")

    def _refusal(self, gate: MemberGate) -> str:
        """Returns why others let this node in no more; empty while they do."""
        member, at = gate.membership, self._clock()
        try:
            member.check_claims(member.chain, self._node.identity.address, now=at - member.offset_s)
        except NotAMember as reason:
            is_in_time = all(
                one.not_before - SKEW_S <= at <= one.not_after + SKEW_S for one in member.chain.certificates
            )
            return f"{reason}" if is_in_time else f"{reason} (the clock of this host shows {_day(at)})"
        return ""

    def _until(self, gate: MemberGate) -> int:
        return min(one.not_after for one in gate.membership.chain.certificates)

    def _offset_s(self) -> float:
        return self._clock() - monotonic()

    def _warn(self, gate: MemberGate) -> None:
        trouble = self._refusal(gate)
        if not trouble and self._until(gate) - self._clock() < _WARN_S:
            trouble = _ENDS_SOON
        if trouble == self._warned_of:
            return
        self._warned_of = trouble
        if trouble == _ENDS_SOON:
            log.warning("this node is a member %s: have it admitted again before that", self.summary())
        elif trouble:
            log.error("this node is no member of its network now: %s", trouble)

    def _read(self, gate: MemberGate) -> None:
        """Reads who was removed; what can't be read is heard again from any neighbour, and the rest is in force meanwhile."""
        if not os.path.lexists(self._path):
            return
        try:
            state = read_state(self._path, error=LocalError, most=REMOVALS_FILE_BYTES + 1)
        except LocalError as error:
            log.warning(_ASKED, error)
            return
        parts, faults = legible_removals(state.content.decode("ascii", errors="replace"), str(self._path))
        for one in parts:
            gate.membership.take(one)
        if faults:
            log.warning(_ASKED, faults[0])
        self._saved = _removals(gate)

    def _write_of(self, removals: Iterable[Removals]) -> Callable[[], None]:
        """Returns what writes who was removed, without a line with the version: earlier ones would let those in again."""
        data = removals_text(removals).encode()
        return lambda: replace_private(self._path, data)


def _removals(gate: MemberGate) -> frozenset[Removals]:
    return frozenset(gate.membership.removals.values())


def _within(credentials: Credentials) -> float:
    """Returns a moment at which certificates are valid, if they ever are."""
    return min(one.not_after for one in credentials.chain.certificates)


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def removals_path(key_file: Path) -> Path:
    """Returns where a node keeps who was removed from its network."""
    return key_file.with_name(key_file.name + ".removed")
