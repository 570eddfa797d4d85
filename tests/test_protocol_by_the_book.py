"""A second implementation of both handshakes, written from docs/protocol.md alone and checked against the frozen vectors.

It shares nothing with the first: hashing is hashlib's, the exchange and the ciphers are `cryptography`'s, and keys are
converted by the formula of RFC 7748. Where this file and the document part, one of them is wrong.
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

VECTORS: Final = Path(__file__).parent / "crypto" / "vectors"
FIELD: Final = 2**255 - 19
SAMPLE: Final = b"mycelium"


class Noise:
    """Section 3: `ck`, `h`, and the cipher, for the end that seals."""

    def __init__(self, name: bytes, prologue: bytes) -> None:
        self.h = self.ck = name.ljust(64, b"\0")
        self.key = b""
        self.nonce = 0
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        self.h = hashlib.blake2b(self.h + data).digest()

    def hkdf(self, data: bytes, outputs: int) -> list[bytes]:
        secret = hmac.new(self.ck, data, hashlib.blake2b).digest()
        blocks = [b""]
        for number in range(1, outputs + 1):
            blocks.append(hmac.new(secret, blocks[-1] + bytes((number,)), hashlib.blake2b).digest())
        return blocks[1:]

    def mix_key(self, data: bytes) -> None:
        self.ck, key = self.hkdf(data, 2)
        self.key, self.nonce = key[:32], 0

    def mix_key_and_hash(self, data: bytes) -> None:
        self.ck, to_hash, key = self.hkdf(data, 3)
        self.mix_hash(to_hash)
        self.key, self.nonce = key[:32], 0

    def seal(self, plain: bytes) -> bytes:
        nonce = bytes(4) + self.nonce.to_bytes(8, "little")
        sealed = ChaCha20Poly1305(self.key).encrypt(nonce, plain, self.h)
        self.nonce += 1
        self.mix_hash(sealed)
        return sealed

    def split(self) -> tuple[bytes, bytes]:
        first, second = self.hkdf(b"", 2)
        return first[:32], second[:32]


class Node:
    """Section 2: the keys of a seed."""

    def __init__(self, seed: bytes) -> None:
        self.signing = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        self.secret = hashlib.sha512(seed).digest()[:32]
        y = int.from_bytes(self.signing, "little") % 2**255
        self.exchange = ((1 + y) * pow(1 - y, -1, FIELD) % FIELD).to_bytes(32, "little")


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def dh(secret: bytes, key: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(key))


def keyed(size: int, data: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


class Inputs:
    """What a vector gives to both ends."""

    def __init__(self, name: str) -> None:
        self.vector = json.loads((VECTORS / name).read_text())
        self.initiator = Node(self.bytes("initiator_seed"))
        self.responder = Node(self.bytes("responder_seed"))
        self.initiator_e = self.bytes("initiator_ephemeral_secret")
        self.responder_e = self.bytes("responder_ephemeral_secret")
        self.kem = MLKEM768PrivateKey.from_seed_bytes(self.bytes("initiator_kem_seed"))
        self.kem_public = self.kem.public_key().public_bytes_raw()
        self.ciphertext = self.bytes("kem_ciphertext")
        self.psk = self.bytes("psk")
        self.network_id = self.bytes("network_id")

    def bytes(self, name: str) -> bytes:
        return bytes.fromhex(self.vector["inputs"][name])

    def number(self, name: str) -> int:
        return int(self.vector["inputs"][name])


def frame(suite: int, key: bytes, index: bytes) -> bytes:
    """Section 6: the first frame under a key, with the vectors' sample as plaintext."""
    counter = (1).to_bytes(8, "big")
    head = b"\x14\0\0\0" + index + counter
    cipher = AESGCM(key) if suite == 1 else ChaCha20Poly1305(key)
    return head + cipher.encrypt(bytes(4) + counter, SAMPLE, head)


def mac_1(body: bytes, psk: bytes) -> bytes:
    """Section 5.3, to whoever answers, two minutes after the beginning of 1970 at most."""
    key = hashlib.blake2b(b"mycelium link mac 1\0" + psk + bytes(32) + bytes(8), digest_size=32).digest()
    return keyed(4, hashlib.blake2b(body, digest_size=32).digest(), key)


def mac_2(body: bytes, psk: bytes, cookie: bytes) -> bytes:
    """Section 5.3."""
    key = hashlib.blake2b(b"mycelium link mac 2\0" + psk + cookie, digest_size=32).digest()
    return keyed(4, hashlib.blake2b(body, digest_size=32).digest(), key)


def link(given: Inputs) -> dict[str, bytes]:
    """Section 5: every output of a link handshake; of the cookie datagram only its mac is ours to say."""
    e, other_e = public(given.initiator_e), public(given.responder_e)
    index, other_index = (given.number(f"{end}_index").to_bytes(4, "big") for end in ("initiator", "responder"))
    offered = given.number("initiator_suites")
    suite = 1 if offered & given.number("responder_suites") & 1 else 2
    head_1 = bytes((0x10, 1, offered, 0)) + index
    body_1 = head_1 + e + given.kem_public
    sealed_1 = body_1 + mac_1(body_1, given.psk)
    outputs = {"message_1": sealed_1 + bytes(4)}
    cookie_datagram = bytes.fromhex(given.vector["outputs"]["cookie_datagram"])
    key = hashlib.blake2b(b"mycelium cookie mac 1\0" + given.psk + e, digest_size=32).digest()
    answered = b"\x13\0\0\0" + index + sealed_1[-4:] + cookie_datagram[12:44]
    outputs["cookie_datagram"] = answered + keyed(8, answered, key)
    outputs["message_1_with_cookie"] = sealed_1 + mac_2(body_1, given.psk, cookie_datagram[12:44])

    noise = Noise(b"Noise_XXhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b", b"mycelium link 1\0" + given.network_id + head_1)
    for data in (e, given.kem_public, b""):
        noise.mix_hash(data)
    head_2 = bytes((0x11, 1, suite, 0)) + other_index + index
    noise.mix_hash(head_2)
    noise.mix_hash(other_e)
    noise.mix_key(dh(given.responder_e, e))
    encapsulation = noise.seal(given.ciphertext)
    noise.mix_key(given.kem.decapsulate(given.ciphertext))
    noise.mix_key_and_hash(given.psk)
    static = noise.seal(given.responder.signing)
    noise.mix_key(dh(given.responder.secret, e))
    outputs["message_2"] = head_2 + other_e + encapsulation + static + noise.seal(given.bytes("responder_instance"))
    head_3 = b"\x12\0\0\0" + other_index
    noise.mix_hash(head_3)
    static = noise.seal(given.initiator.signing)
    noise.mix_key(dh(given.initiator.secret, other_e))
    outputs["message_3"] = head_3 + static + noise.seal(given.bytes("initiator_instance"))
    outputs["handshake_hash"] = noise.h
    outputs["initiator_key"], outputs["responder_key"] = noise.split()
    outputs["frame_of_initiator"] = frame(suite, outputs["initiator_key"], other_index)
    outputs["frame_of_responder"] = frame(suite, outputs["responder_key"], index)
    return outputs


def session(given: Inputs) -> dict[str, bytes]:
    """Section 13: every output of a session handshake."""
    e, other_e = public(given.initiator_e), public(given.responder_e)
    noise = Noise(
        b"Noise_IKhfs+psk2_25519+MLKEM768_ChaChaPoly_BLAKE2b",
        b"mycelium session 1\0" + given.network_id + given.bytes("prologue"),
    )
    noise.mix_hash(given.responder.signing)
    noise.mix_hash(e)
    noise.mix_key(e)
    noise.mix_key(dh(given.initiator_e, given.responder.exchange))
    request = e + noise.seal(given.kem_public) + noise.seal(given.initiator.signing)
    noise.mix_key(dh(given.initiator.secret, given.responder.exchange))
    request += noise.seal(b"")
    noise.mix_hash(bytes((given.number("suite"),)) + (2).to_bytes(4, "big"))
    noise.mix_hash(other_e)
    noise.mix_key(other_e)
    noise.mix_key(dh(given.responder_e, e))
    encapsulation = noise.seal(given.ciphertext)
    noise.mix_key(given.kem.decapsulate(given.ciphertext))
    noise.mix_key(dh(given.responder_e, given.initiator.exchange))
    noise.mix_key_and_hash(given.psk)
    reply = other_e + encapsulation + noise.seal(b"")
    initiator_key, responder_key = noise.split()
    return {
        "request": request,
        "reply": reply,
        "handshake_hash": noise.h,
        "initiator_key": initiator_key,
        "responder_key": responder_key,
    }


@pytest.mark.parametrize("name", ["link_open_aes.json", "link_private_chacha.json"])
def test_a_link_handshake_by_the_book_gives_the_frozen_bytes(name: str) -> None:
    given = Inputs(name)
    assert {key: value.hex() for key, value in link(given).items()} == given.vector["outputs"]


@pytest.mark.parametrize("name", ["session_open_aes.json", "session_private_chacha.json"])
def test_a_session_handshake_by_the_book_gives_the_frozen_bytes(name: str) -> None:
    given = Inputs(name)
    assert {key: value.hex() for key, value in session(given).items()} == given.vector["outputs"]
