"""Whole handshakes, frozen: another implementation can be checked against these files, and this one cannot drift.

Each file holds the inputs and every output. ML-KEM encapsulation draws its own randomness, so its result is an input too; the
initiator decapsulates it for real.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from mycelium.crypto.cookies import HandshakeGate
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.crypto.primitives import Aead, RealPrimitives
from mycelium.crypto.session_handshake import SessionInitiator, answer_request
from mycelium.identity import Identity
from mycelium.limits import HANDSHAKES_PER_SECOND
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD
from tests.crypto.support import link_initiator

FOLDER = Path(__file__).parent / "vectors"
SAMPLE = b"mycelium"

Inputs = dict[str, Any]


class RecordedPrimitives(RealPrimitives):
    """Encapsulates as recorded, and notes every cipher key it is asked for."""

    __slots__ = ("encapsulation", "keys")

    def __init__(self, inputs: Inputs) -> None:
        self.encapsulation = unhex(inputs, "kem_shared"), unhex(inputs, "kem_ciphertext")
        self.keys: list[bytes] = []

    def aead(self, suite: int, key: bytes) -> Aead:
        self.keys.append(key)
        return super().aead(suite, key)

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        return self.encapsulation


class ScriptedEntropy:
    """Hands out recorded bytes, in order."""

    def __init__(self, recorded: bytes) -> None:
        self._rest = recorded

    def __call__(self, size: int) -> bytes:
        result, self._rest = self._rest[:size], self._rest[size:]
        assert len(result) == size
        return result


def unhex(inputs: Inputs, name: str) -> bytes:
    return bytes.fromhex(inputs[name])


def sealed_sample(key: SealingKey, index: int) -> bytes:
    """Seals SAMPLE as a link frame would be."""
    header = FRAME_HEAD.pack(FRAME_WORD, index, key.counter)
    sealed = bytearray(len(SAMPLE) + 16)
    key.seal_into(key.counter, SAMPLE, header, sealed)
    return header + bytes(sealed)


def opens_sample(key: OpeningKey, frame: bytes) -> bool:
    opened = bytearray(len(SAMPLE))
    counter = FRAME_HEAD.unpack_from(frame)[2]
    return key.open_into(counter, frame[16:], frame[:16], opened) and opened == SAMPLE


def configs(inputs: Inputs, primitives: RecordedPrimitives) -> tuple[HandshakeConfig, HandshakeConfig]:
    """Returns what the initiator and the responder bring; a session handshake has no suites of its own in the inputs."""
    psk, network_id = unhex(inputs, "psk"), unhex(inputs, "network_id")
    return (
        HandshakeConfig(
            identity=Identity(unhex(inputs, "initiator_seed")),
            psk=psk,
            network_id=network_id,
            suites=inputs.get("initiator_suites", 3),
            instance=bytes.fromhex(inputs.get("initiator_instance", "")),
            entropy=ScriptedEntropy(unhex(inputs, "initiator_ephemeral_secret") + unhex(inputs, "initiator_kem_seed")),
            primitives=primitives,
        ),
        HandshakeConfig(
            identity=Identity(unhex(inputs, "responder_seed")),
            psk=psk,
            network_id=network_id,
            suites=inputs.get("responder_suites", 3),
            instance=bytes.fromhex(inputs.get("responder_instance", "")),
            entropy=ScriptedEntropy(unhex(inputs, "responder_ephemeral_secret")),
            primitives=primitives,
        ),
    )


def run_link(inputs: Inputs) -> dict[str, str]:
    """Runs a link handshake, with a cookie under way where the inputs have one."""
    psk = unhex(inputs, "psk")
    primitives = RecordedPrimitives(inputs)
    own, others = configs(inputs, primitives)
    initiator = LinkInitiator(own, local_index=inputs["initiator_index"], pin=None, period=0)
    responder = LinkResponder(others, local_index=inputs["responder_index"])
    outputs = {"message_1": initiator.message_1}
    gate = HandshakeGate(
        psk=psk, own_key=others.identity.exchange_public_key, entropy=ScriptedEntropy(unhex(inputs, "gate_entropy"))
    )
    for seed in range(HANDSHAKES_PER_SECOND):  # only a gate under load asks for a cookie
        gate.admit(link_initiator(psk=psk, seed=seed).message_1, source="", now=0.0)
    outputs["cookie_datagram"] = gate.admit(outputs["message_1"], source=inputs["source"], now=0.0).cookie or b""
    outputs["message_1_with_cookie"] = initiator.answer_cookie(outputs["cookie_datagram"])
    assert gate.admit(outputs["message_1_with_cookie"], source=inputs["source"], now=0.0).accepted
    outputs["message_2"] = responder.receive_message_1(outputs["message_1_with_cookie"])
    outputs["message_3"], ours = initiator.receive_message_2(outputs["message_2"])
    theirs = responder.receive_message_3(outputs["message_3"])
    outputs["initiator_key"], outputs["responder_key"] = primitives.keys[-2:]
    outputs["frame_of_initiator"] = sealed_sample(ours.sealing, ours.remote_index)
    outputs["frame_of_responder"] = sealed_sample(theirs.sealing, theirs.remote_index)
    assert opens_sample(theirs.opening, outputs["frame_of_initiator"])
    assert opens_sample(ours.opening, outputs["frame_of_responder"])
    return {name: value.hex() for name, value in outputs.items()}


def run_session(inputs: Inputs) -> dict[str, str]:
    """Runs a session handshake."""
    prologue, suite = unhex(inputs, "prologue"), inputs["suite"]
    primitives = RecordedPrimitives(inputs)
    own, others = configs(inputs, primitives)
    initiator = SessionInitiator(own, others.identity.signing_public_key, local_index=1, prologue=prologue)
    reply, theirs = answer_request(
        others, initiator.request, suite=suite, local_index=2, remote_index=1, prologue=prologue
    )
    ours = initiator.receive_reply(reply, suite=suite, remote_index=2)
    initiator_key, responder_key = primitives.keys[-2:]
    outputs = {
        "request": initiator.request,
        "reply": reply,
        "initiator_key": initiator_key,
        "responder_key": responder_key,
    }
    assert opens_sample(theirs.opening, sealed_sample(ours.sealing, 1))
    assert opens_sample(ours.opening, sealed_sample(theirs.sealing, 1))
    return {name: value.hex() for name, value in outputs.items()}


RUNS = {"link": run_link, "session": run_session}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*_*.json")), ids=lambda path: path.stem)
def test_a_frozen_handshake_comes_out_byte_for_byte(path: Path) -> None:
    vector = json.loads(path.read_text())

    outputs = vector["outputs"]
    del outputs["handshake_hash"]  # `test_protocol_by_the_book` checks it; the code keeps none
    assert RUNS[path.stem.split("_")[0]](vector["inputs"]) == outputs


def test_the_frozen_handshakes_are_all_there() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*_*.json")) == [
        "link_open_aes",
        "link_private_chacha",
        "session_open_aes",
        "session_private_chacha",
    ]
