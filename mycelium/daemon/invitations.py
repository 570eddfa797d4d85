"""The invitations of this node, kept beside its key: who may still join by them, and who has.

That an invitation is used is on the disk before the answer leaves, so that no crash lets it be used once more. A node that has
joined may ask again by the same invitation, as its answer can get lost. What the file tells serves as well as the token, so
nobody but its owner may read it.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, structs

from mycelium.admin.checks import node_name
from mycelium.admin.control import InvitationInfo, InvitationWish
from mycelium.admin.join_uri import PEERS_PER_URI, JoinUri
from mycelium.admin.keyfile import invitation_path, invitations_path
from mycelium.admin.private_file import replace_private
from mycelium.admin.state_file import read_state, write_state
from mycelium.crypto.join_handshake import TOKEN_BYTES, hint_of, secret_of
from mycelium.daemon.threads import in_thread
from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError, DiskError, LocalError
from mycelium.identity import address_of_exchange_key
from mycelium.limits import INVITATION_BYTES, INVITATION_USES, INVITATIONS
from mycelium.membership.certificates import Holder
from mycelium.node.event_kind import EventKind
from mycelium.node.node import Node
from mycelium.outbox import JoinAsked
from mycelium.peer_url import PeerUrl
from mycelium.wire.join import NETWORK_KEY_BYTES, JoinAnswer, JoinStatus

log = logging.getLogger("mycelium")

Act = Callable[[Callable[[float], None]], None]

LONGEST_S: Final = 366 * 86_400.0  # that an invitation may be valid
REMEMBERED_S: Final = 86_400.0  # after its end an invitation is answered with a refusal, which says why
_REFUSALS: Final = {
    JoinStatus.USED: "its invitation was used as often as it may be",
    JoinStatus.EXPIRED: "its invitation has expired, by the clock of this host",
    JoinStatus.FAILED: "that its invitation is used can't be written to the disk",
    JoinStatus.MAY_NOT: "this member may not invite any more",
}


class Invitation(Struct, kw_only=True):
    """One invitation."""

    secret: bytes
    uses: int  # nodes that may join by it
    expires: float  # Unix seconds
    name: str = ""  # of the node that joins
    joined: list[bytes] = []  # X25519 keys of those that have

    def judge(self, key: bytes, *, at: float) -> JoinStatus:
        """Returns what the node with a key is answered at a time."""
        if key in self.joined:
            return JoinStatus.GRANTED
        if not self._is_in_time(at):
            return JoinStatus.EXPIRED
        return JoinStatus.GRANTED if len(self.joined) < self.uses else JoinStatus.USED

    def is_over(self, *, at: float) -> bool:
        """Tells whether nobody can join by it any more."""
        return not self._is_in_time(at) or len(self.joined) >= self.uses

    def _is_in_time(self, at: float) -> bool:
        """Tells whether it is valid; one that would be for longer than any may be was made by a clock that was wrong."""
        return at < self.expires <= at + LONGEST_S + REMEMBERED_S


class NetworkSecrets(Struct, frozen=True):
    """What a node is let into; its key is zeros if it is open."""

    name: str
    key: bytes = bytes(NETWORK_KEY_BYTES)


class Inviter:
    """Makes invitations, and answers those who ask by them. `clock` returns Unix seconds."""

    def __init__(
        self,
        node: Node,
        act: Act,
        network: NetworkSecrets,
        key_file: Path,
        *,
        admit: Callable[[Holder], bytes] = lambda _: b"",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node = node
        self._act = act
        self._network = network
        self._key_file = key_file
        self._admit = admit  # returns what makes the holder of keys a member
        self._clock = clock
        self._writing = asyncio.Lock()
        self._judging = asyncio.Lock()  # who asks again must not be granted what is not written yet
        self._by_secret = {one.secret: one for one in read_invitations(invitations_path(key_file))}
        self._publish()

    async def grant(self, wish: InvitationWish, listening: Collection[Endpoint]) -> InvitationInfo:
        """Makes an invitation; raises ConfigError for an invalid wish, LocalError where it can't be made."""
        if wish.uses not in range(1, INVITATION_USES + 1):
            raise ConfigError(f"uses must be 1 to {INVITATION_USES}")
        if not 1 <= wish.valid_s <= LONGEST_S:
            raise ConfigError(f"an invitation is valid for 1 second to {LONGEST_S / 86_400:g} days")
        name = node_name(wish.name) if wish.name else ""
        named = [PeerUrl.parse(url) for url in wish.at[:PEERS_PER_URI]]
        self._admit(Holder(self._node.identity.signing_public_key))  # raises LocalError for one that may not invite
        peers = self._pinned(named or self._own_addresses(listening))
        token = os.urandom(TOKEN_BYTES)
        uri = str(JoinUri(peers, self._network.name, token))
        self._make_room()
        one = Invitation(secret=secret_of(token), uses=wish.uses, expires=self._clock() + wish.valid_s, name=name)
        await self._keep(one, uri)
        return InvitationInfo(str(self._path_of(one)), one.expires)

    def _own_addresses(self, listening: Collection[Endpoint]) -> list[PeerUrl]:
        """Returns where others may reach this node, the likeliest first; over TCP too, where it listens there."""
        tcp_ports = {endpoint.port for endpoint in listening if endpoint.scheme == "tcp"}
        found = self._node.outside.candidates()
        return [PeerUrl("" if one.port in tcp_ports else one.scheme, one.host, one.port) for one in found]

    def _pinned(self, peers: Sequence[PeerUrl]) -> tuple[PeerUrl, ...]:
        own = self._node.identity.exchange_public_key
        if any(peer.pin not in (None, own) for peer in peers):
            raise ConfigError("the key behind '#' is another node's: leave it out, as it is added by itself")
        if not peers:
            raise LocalError("this node knows no address at which others reach it: name one, as in --at host:9651")
        return tuple(structs.replace(peer, pin=own, fingerprint=self._node.prover.fingerprint) for peer in peers)

    async def _keep(self, one: Invitation, uri: str) -> None:
        self._by_secret[one.secret] = one
        path = self._path_of(one)
        try:
            await self._write()
            await in_thread(lambda: replace_private(path, f"{uri}\n".encode()))
        except OSError as error:
            del self._by_secret[one.secret]
            raise DiskError(f"cannot write the invitation to {path}: {error.strerror}") from error
        self._publish()

    async def serve(self, asked: JoinAsked) -> None:
        """Answers a node that asks to join."""
        one = self._by_secret.get(asked.secret)
        if one is None:  # it gave way meanwhile
            return
        async with self._judging:
            status, made = await self._judge(one, asked)
        answer = JoinAnswer(status)
        if status is JoinStatus.GRANTED:
            answer = JoinAnswer(status, self._network.key, self._network.name, one.name, made)
        self._act(lambda now: self._answer(asked, answer, now=now))

    async def _judge(self, one: Invitation, asked: JoinAsked) -> tuple[JoinStatus, bytes]:
        """Returns what a node is answered, which is on the disk by then, and what makes it a member."""
        status, made = one.judge(asked.key, at=self._clock()), b""
        if status is JoinStatus.GRANTED:
            try:
                made = self._admit(Holder(asked.signing_key, asked.fingerprint))
            except LocalError:  # it could when it made the invitation
                return JoinStatus.MAY_NOT, b""
        if status is JoinStatus.GRANTED and asked.key not in one.joined:
            one.joined.append(asked.key)
            try:
                await self._write()
            except OSError as error:
                one.joined.remove(asked.key)
                log.error("nobody can join: cannot write %s: %s", invitations_path(self._key_file), error.strerror)
                return JoinStatus.FAILED, b""
        return status, made

    def _answer(self, asked: JoinAsked, answer: JoinAnswer, *, now: float) -> None:
        self._node.inviting.answer(asked, answer)
        kind = EventKind.JOINED if answer.status == JoinStatus.GRANTED else EventKind.JOIN_REFUSED
        cause = _REFUSALS.get(JoinStatus(answer.status), "")
        node = address_of_exchange_key(asked.key)
        self._node.journal.note(kind, node=node, after=asked.endpoint, cause=cause, now=now)

    def _make_room(self) -> None:
        """Forgets what ended a day ago, and if there are still too many the oldest that is over; raises LocalError.

        What seems to have ended years ago may be valid again once the clock is set.
        """
        now = self._clock()
        for one in [one for one in self._by_secret.values() if REMEMBERED_S <= now - one.expires <= LONGEST_S]:
            self._forget(one)
        if len(self._by_secret) < INVITATIONS:
            return
        over = next((one for one in self._by_secret.values() if one.is_over(at=now)), None)
        if over is None:
            raise LocalError(f"{INVITATIONS} invitations are open already: wait until one is used, or expires")
        self._forget(over)

    def _forget(self, one: Invitation) -> None:
        del self._by_secret[one.secret]
        with suppress(OSError):  # what it lets nobody do any more does no harm
            self._path_of(one).unlink()

    def _path_of(self, one: Invitation) -> Path:
        return invitation_path(self._key_file, hint_of(one.secret).hex())

    def _publish(self) -> None:
        self._node.inviting.keep(self._by_secret)

    async def _write(self) -> None:
        """Raises OSError."""
        async with self._writing:
            data, path = msgspec.json.encode(list(self._by_secret.values())), invitations_path(self._key_file)
            await in_thread(lambda: write_state(path, data))


def read_invitations(path: Path) -> list[Invitation]:
    """Returns the invitations of a file, but for those that can't be read, of which a warning tells."""
    if not os.path.lexists(path):
        return []
    try:
        state = read_state(path, error=LocalError, most=INVITATION_BYTES)
    except LocalError as error:
        log.warning("all invitations are void: %s", error)
        return []
    try:
        entries = msgspec.json.decode(state.content, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        log.warning("all invitations are void: %s", state.misfit())
        return []
    legible = list(_legible(entries))
    if len(legible) < len(entries):
        log.warning("%s invitations are void: %s", "some" if legible else "all", state.misfit())
    return legible[:INVITATIONS]


def _legible(entries: Iterable[msgspec.Raw]) -> Iterator[Invitation]:
    for entry in entries:
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            yield msgspec.json.decode(entry, type=Invitation)
