"""One end of a handshake under way in a search: our own handshake object, what it may be sent, and what it has agreed.

A run never changes: taking a message makes another one. A message is given by its fields: what is in plain view has some
values to choose from; what is sealed is looked for with the run itself.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag

from mycelium.crypto.handshake import NO_PSK, AgreedKeys, HandshakeConfig, choose_suite
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES
from mycelium.crypto.session_handshake import SessionInitiator, answer_request
from mycelium.crypto.session_handshake import prologue as prologue_of
from mycelium.errors import HandshakeError
from mycelium.identity import PUBLIC_KEY_BYTES, Identity
from mycelium.wire.beacon import INSTANCE_BYTES
from mycelium.wire.datagram import (
    HANDSHAKE_1,
    HANDSHAKE_1_HEAD,
    HANDSHAKE_2,
    HANDSHAKE_2_HEAD,
    HANDSHAKE_3,
    HANDSHAKE_3_HEAD,
    PROTOCOL_VERSION,
    SUITE_AES_256_GCM,
    SUITE_CHACHA20_POLY1305,
    TAG_BYTES,
)
from tests.prove.symbols import SymbolicPrimitives

BOTH_SUITES: Final = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305
MACS_BYTES: Final = 8  # at the end of message 1; only the gate looks at them
TRAIN: Final = b"under the keys"


class Field(NamedTuple):
    """A part of a message: `kind` says what there is to choose from; a sealed one is so many bytes longer than its content."""

    kind: str
    size: int
    is_sealed: bool = False

    @property
    def wire_bytes(self) -> int:
        return self.size + TAG_BYTES * self.is_sealed


class Party(NamedTuple):
    """Who runs handshakes: an identity, and the key of its network."""

    name: str
    identity: Identity
    psk: bytes = NO_PSK


class HandshakeRun:
    """What all runs have. `log` is all that has come and gone; it tells runs of one name apart."""

    def __init__(self, name: str, index: int, owner: Party, make: Callable[[str], SymbolicPrimitives]) -> None:
        self.name = name
        self.index = index
        self.owner = owner
        self.primitives = make(name)
        self.config = HandshakeConfig(
            identity=owner.identity,
            psk=owner.psk,
            suites=BOTH_SUITES,
            instance=name.encode().ljust(INSTANCE_BYTES, b"\0"),
            entropy=self.primitives.entropy,
            primitives=self.primitives,
        )
        self.log: tuple[bytes, ...] = ()
        self.sent: tuple[bytes, ...] = ()  # messages
        self.keys: AgreedKeys | None = None
        self.is_initiator = False
        self.is_sure = False  # that its peer has the keys too

    def fields(self) -> tuple[Field, ...]:
        """Returns what the next message consists of; nothing if none is expected."""
        raise NotImplementedError

    def take(self, message: bytes) -> "HandshakeRun":
        """Returns the run after a message; raises HandshakeError."""
        after = copy(self)
        after._take(message)
        after.log = (*self.log, message, *after.sent[len(self.sent) :])
        return after

    def _take(self, message: bytes) -> None:
        raise NotImplementedError

    def _send(self, *messages: bytes) -> None:
        self.sent = (*self.sent, *messages)
        self.log = (*self.log, *messages)

    def _train(self) -> bytes:
        """Returns the first train under the keys."""
        assert self.keys is not None
        sealed = bytearray(len(TRAIN) + TAG_BYTES)
        self.keys.sealing.cipher.encrypt_into(bytes(12), TRAIN, b"", sealed)
        return bytes(sealed)

    def _open(self, train: bytes) -> None:
        assert self.keys is not None
        try:
            self.keys.opening.cipher.decrypt_into(bytes(12), train, b"", bytearray(len(TRAIN)))
        except InvalidTag as error:
            raise HandshakeError("no train under these keys") from error


class LinkInitiatorRun(HandshakeRun):
    """Dials, perhaps with a pin."""

    def __init__(self, *about: Any, pin: Party | None = None) -> None:
        super().__init__(*about)
        self.is_initiator = True
        self.pin = pin
        key = None if pin is None else pin.identity.exchange_public_key
        self._initiator = LinkInitiator(self.config, local_index=self.index, pin=key, period=0)
        self._send(self._initiator.message_1)

    def fields(self) -> tuple[Field, ...]:
        if self.keys is not None:
            return ()
        return (
            Field("head 2", HANDSHAKE_2_HEAD.size),
            Field("exchange key", EXCHANGE_BYTES),
            Field("ciphertext", KEM_CIPHERTEXT_BYTES, is_sealed=True),
            Field("static", PUBLIC_KEY_BYTES, is_sealed=True),
            Field("instance", INSTANCE_BYTES, is_sealed=True),
        )

    def _take(self, message: bytes) -> None:
        self._initiator = copy(self._initiator)
        message_3, self.keys = self._initiator.receive_message_2(message)
        self.is_sure = True
        self.sent = (*self.sent, message_3)


class LinkResponderRun(HandshakeRun):
    """Answers a link handshake."""

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self._responder = LinkResponder(self.config, local_index=self.index)

    def fields(self) -> tuple[Field, ...]:
        if not self.sent:
            head = Field("head 1", HANDSHAKE_1_HEAD.size)
            return head, Field("exchange key", EXCHANGE_BYTES), Field("kem key", KEM_PUBLIC_BYTES)
        if self.keys is not None:
            return ()
        return (
            Field("head 3", HANDSHAKE_3_HEAD.size),
            Field("static", PUBLIC_KEY_BYTES, is_sealed=True),
            Field("instance", INSTANCE_BYTES, is_sealed=True),
        )

    def _take(self, message: bytes) -> None:
        self._responder = copy(self._responder)
        if not self.sent:
            self.sent = (self._responder.receive_message_1(message + bytes(MACS_BYTES)),)
        else:
            self.keys = self._responder.receive_message_3(message)
            self.is_sure = True


class SessionInitiatorRun(HandshakeRun):
    """Asks a node for a session."""

    def __init__(self, *about: Any, peer: Party) -> None:
        super().__init__(*about)
        self.is_initiator = True
        self.pin = peer
        ends = self.owner.identity.address, peer.identity.address
        prologue = prologue_of(*ends, initiator_index=self.index, offered=BOTH_SUITES)
        key = peer.identity.signing_public_key
        self._initiator = SessionInitiator(self.config, key, local_index=self.index, prologue=prologue)
        self._send(_request_head(ends[0], self.index, BOTH_SUITES) + self._initiator.request)

    def fields(self) -> tuple[Field, ...]:
        if self.keys is not None:
            return ()
        return (
            Field("reply head", 5),
            Field("exchange key", EXCHANGE_BYTES),
            Field("ciphertext", KEM_CIPHERTEXT_BYTES, is_sealed=True),
            Field("nothing", 0, is_sealed=True),
        )

    def _take(self, message: bytes) -> None:
        self._initiator = copy(self._initiator)
        suite, remote_index = message[0], int.from_bytes(message[1:5], "big")
        self.keys = self._initiator.receive_reply(message[5:], suite=suite, remote_index=remote_index)
        self.is_sure = True
        self.sent = (*self.sent, self._train())


class SessionResponderRun(HandshakeRun):
    """Answers a request for a session, and is sure of its peer once a train has come under the keys."""

    def fields(self) -> tuple[Field, ...]:
        if self.is_sure:
            return ()
        if self.keys is not None:
            return (Field("train", len(TRAIN), is_sealed=True),)
        return (
            Field("request head", 21),
            Field("exchange key", EXCHANGE_BYTES),
            Field("kem key", KEM_PUBLIC_BYTES, is_sealed=True),
            Field("static", PUBLIC_KEY_BYTES, is_sealed=True),
            Field("nothing", 0, is_sealed=True),
        )

    def _take(self, message: bytes) -> None:
        if self.keys is not None:
            self._open(message)
            self.is_sure = True
            return
        source, index, offered = message[:16], int.from_bytes(message[16:20], "big"), message[20]
        suite = choose_suite(offered, BOTH_SUITES)
        reply, keys = answer_request(
            self.config,
            message[21:],
            suite=suite,
            local_index=self.index,
            remote_index=index,
            prologue=prologue_of(source, self.owner.identity.address, initiator_index=index, offered=offered),
        )
        if keys.peer_address != source:
            raise HandshakeError("the peer is not the source of the train")
        self.keys = keys
        self.sent = (bytes((suite,)) + self.index.to_bytes(4, "big") + reply,)


def _request_head(source: bytes, index: int, offered: int) -> bytes:
    return source + index.to_bytes(4, "big") + bytes((offered,))


def heads(kind: str, run: HandshakeRun, others: list[HandshakeRun], attacker: Party) -> list[bytes]:
    """Returns the heads that a message to a run may have: those of others, the attacker's own, and with one thing changed."""
    indices = [other.index for other in others if other.is_initiator is not run.is_initiator] + [0xBAD]
    offered = [(index, BOTH_SUITES) for index in indices] + [(indices[0], SUITE_CHACHA20_POLY1305)]
    chosen = [(index, SUITE_AES_256_GCM) for index in indices] + [(indices[0], SUITE_CHACHA20_POLY1305)]
    match kind:
        case "head 1":
            return [HANDSHAKE_1_HEAD.pack(HANDSHAKE_1, PROTOCOL_VERSION, suites, 0, index) for index, suites in offered]
        case "head 2":
            return [
                HANDSHAKE_2_HEAD.pack(HANDSHAKE_2, PROTOCOL_VERSION, suite, 0, index, run.index)
                for index, suite in chosen
            ]
        case "head 3":
            return [HANDSHAKE_3_HEAD.pack(HANDSHAKE_3, run.index)]
        case "reply head":
            return [bytes((suite,)) + index.to_bytes(4, "big") for index, suite in chosen]
        case _:
            sources = {one.owner.identity.address: None for one in others} | {attacker.identity.address: None}
            return [_request_head(source, *about) for source in sources for about in offered]
