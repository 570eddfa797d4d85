"""Cryptography as terms: bytes to the code that handles them, and to the search what they were made of.

Each secret, digest, shared secret and ciphertext is a token of the right length, and a table has what it came of. So the
handshakes run as they are, while it is decided exactly who can make or read a token: who has all of its parts.
A hash or a cipher gives nothing away; keys of X25519 and ML-KEM fit, or do not.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from cryptography.exceptions import InvalidTag

from mycelium.crypto import cookie_secrets, cookies, join_handshake, noise
from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES, Aead, Buffer
from mycelium.identity import Identity
from mycelium.wire.datagram import TAG_BYTES
from sim.net.null_crypto import NullPrimitives

SECRET_BYTES: Final = 32
_FOUND_IN: Final = (64, 32, 16)  # lengths of tokens that are looked for in what is hashed
_NOTHING: Final = bytes(SECRET_BYTES)


class Seal(NamedTuple):
    """What a sealed token was made of."""

    key: bytes
    nonce: bytes
    ad: bytes
    plain: bytes


class Needs(NamedTuple):
    """What somebody must have to make a token: all of some tokens, and one of others if there are any."""

    all: tuple[bytes, ...]
    one: tuple[bytes, ...] = ()


class Symbols:
    """The table of tokens. Equal things have equal tokens, so that states of a search can be compared."""

    def __init__(self) -> None:
        self.needs: dict[bytes, Needs] = {}
        self.secrets: set[bytes] = set()  # which nobody can make
        self.secret_of: dict[bytes, bytes] = {}  # by public key
        self.public_of: dict[bytes, bytes] = {}  # by secret
        self.seals: dict[bytes, Seal] = {}
        self.telling: list[bytes] = []  # those of them that have secrets in them
        self.by_seal: dict[Seal, list[bytes]] = {}  # the same, by seals without what is in them
        self.shared: dict[bytes, tuple[bytes, bytes]] = {}  # ciphertext of ML-KEM: public key, secret
        self.refused: Seal | None = None  # what would have been the seal that was opened last, and was none
        self._parts: dict[bytes, tuple[bytes, ...]] = {}

    def secret(self, name: str, size: int = SECRET_BYTES) -> bytes:
        """Returns the secret of a name."""
        token = _token(size, b"secret", name.encode())
        self.secrets.add(token)
        return token

    def introduce(self, identity: Identity) -> None:
        """Makes an identity's secret one."""
        self.secrets.add(identity.exchange_secret)
        self.pair(identity.exchange_secret, identity.exchange_public_key)

    def pair(self, secret: bytes, public: bytes) -> None:
        """Notes a pair of keys."""
        self.secret_of[public] = secret
        self.public_of[secret] = public

    def parts(self, data: bytes) -> tuple[bytes, ...]:
        """Returns the tokens in a string that not everybody has."""
        known = self._parts.get(data)
        if known is None:
            found, at = [], 0
            while at < len(data):
                part = self._token_at(data, at)
                found += [part] if part else []
                at += len(part) or 1
                if data[at:] in self.seals or data[at:] in self.secret_of:
                    break
            known = self._parts[data] = tuple(found)
        return known

    def _token_at(self, data: bytes, at: int) -> bytes:
        needs, secrets = self.needs, self.secrets
        for size in _FOUND_IN:
            part = data[at : at + size]
            if part in needs or part in secrets:
                return part
        return b""

    # -- what the code calls in place of BLAKE2b and HMAC ------------------------------------------------------------------

    def hkdf(self, chaining_key: bytes, input_key: bytes, outputs: int) -> list[bytes]:
        made = [_token(64, b"hkdf", chaining_key, input_key, bytes((number,))) for number in range(outputs)]
        needs = Needs((*self.parts(chaining_key), *self.parts(input_key)))
        for one in made:
            self.needs[one] = self.needs[one[:32]] = needs
        return made

    def blake2b(self, data: bytes, *, size: int, key: bytes = b"") -> bytes:
        digest = _token(size, b"hash", key, data)
        self.needs[digest] = Needs((*self.parts(key), *self.parts(data)))
        return digest

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Has the handshakes compute with tokens."""
        with ExitStack() as stack:
            stack.enter_context(patch.object(noise, "hkdf", self.hkdf))
            stack.enter_context(patch.object(noise, "hashlib", _Hashlib(self)))
            for module in (cookies, cookie_secrets, join_handshake):
                stack.enter_context(patch.object(module, "blake2b", self.blake2b))
            yield


class _Hashlib:
    """What the module of Noise takes for hashlib."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def blake2b(self, data: bytes) -> "_Digest":
        return _Digest(self._symbols.blake2b(data, size=64))


class _Digest(NamedTuple):
    value: bytes

    def digest(self) -> bytes:
        return self.value


class SymbolicPrimitives(NullPrimitives):
    """Primitives of one run, whose secrets are its own. `has_kem` and `binds` can be taken away, to see what they are for.

    What is no part of a handshake is as in simulations.
    """

    def __init__(self, symbols: Symbols, run: str, *, has_kem: bool = True, binds: bool = True) -> None:
        super().__init__()
        self.symbols = symbols
        self._run = run
        self._has_kem = has_kem
        self._binds = binds

    def entropy(self, size: int) -> bytes:
        """Returns this run's secret of a size; each run draws one of each at most."""
        return self.symbols.secret(f"{self._run}/{size}", size)

    def aead(self, suite: int, key: bytes) -> Aead:
        return SymbolicAead(self.symbols, key, binds=self._binds)

    def exchange(self, secret: bytes, public: bytes) -> bytes:
        symbols, own = self.symbols, self.public_of(secret)
        shared = _token(EXCHANGE_BYTES, b"exchange", *sorted((own, public)))
        one = (secret, symbols.secret_of.get(public, _NOTHING))  # who made up a key has its secret
        symbols.needs[shared] = Needs((), one)
        return shared

    def public_of(self, secret: bytes) -> bytes:
        symbols = self.symbols
        public = symbols.public_of.get(secret) or _token(EXCHANGE_BYTES, b"public", secret)
        symbols.pair(secret, public)
        return public

    def kem_keypair(self, seed: bytes) -> tuple[bytes, bytes]:
        public = _token(KEM_PUBLIC_BYTES, b"kem", seed)
        self.symbols.secret_of[public] = seed
        return seed, public

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        symbols = self.symbols
        shared = _token(SECRET_BYTES, b"encapsulated", self._run.encode(), public)
        ciphertext = _token(KEM_CIPHERTEXT_BYTES, b"ciphertext", shared)
        drawn = symbols.secret(f"{self._run}/encapsulation")
        symbols.shared[ciphertext] = public, shared
        symbols.needs[shared] = Needs((), (drawn, symbols.secret_of.get(public, _NOTHING)))
        return (shared if self._has_kem else _NOTHING), ciphertext

    def kem_decapsulate(self, private: Any, ciphertext: bytes) -> bytes:
        symbols = self.symbols
        public, shared = symbols.shared.get(ciphertext, (b"", b""))
        if symbols.secret_of.get(public) != private:
            shared = _token(SECRET_BYTES, b"rejected", private, ciphertext)
            symbols.needs[shared] = Needs((private,))
        return shared if self._has_kem else _NOTHING


class SymbolicAead:
    """A cipher whose ciphertexts only those open, and make, who have the key."""

    def __init__(self, symbols: Symbols, key: bytes, *, binds: bool = True) -> None:
        self._symbols = symbols
        self._key = key
        self._binds = binds

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Any, /) -> int:
        seal = self._seal(nonce, associated_data, bytes(data))
        token = _token(len(data) + TAG_BYTES, b"sealed", *seal)
        if token not in self._symbols.seals:
            self._symbols.seals[token] = seal
            if self._symbols.parts(seal.plain):
                self._symbols.telling.append(token)
            self._symbols.by_seal.setdefault(seal._replace(plain=b""), []).append(token)
        buf[:] = token
        return len(token)

    def decrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Any, /) -> int:
        symbols = self._symbols
        known = symbols.seals.get(bytes(data))
        wanted = self._seal(nonce, associated_data, b"")
        if known is None or known._replace(plain=b"") != wanted:
            symbols.refused = wanted
            raise InvalidTag
        buf[:] = known.plain
        return len(known.plain)

    def _seal(self, nonce: Buffer, associated_data: Buffer | None, plain: bytes) -> Seal:
        ad = bytes(associated_data or b"") if self._binds else b""
        return Seal(self._key, bytes(nonce), ad, plain)


class Knowledge:
    """What somebody knows: what not only the honest can make, some secrets, and what both together open of what was seen."""

    def __init__(self, symbols: Symbols, secrets: frozenset[bytes], seen: frozenset[bytes] = frozenset()) -> None:
        self._symbols = symbols
        self._secrets = set(secrets)
        self._known: dict[bytes, bool] = {}
        waiting = [symbols.seals[token] for token in seen if token in symbols.seals]
        while opened := [seal for seal in waiting if self.has(seal.key)]:
            waiting = [seal for seal in waiting if seal not in opened]
            self._secrets.update(part for seal in opened for part in symbols.parts(seal.plain))
            self._known.clear()

    def has(self, token: bytes) -> bool:
        """Tells whether a token is known or can be made."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._makes(token)
        return known

    def _makes(self, token: bytes) -> bool:
        if token in self._secrets:
            return True
        if token in self._symbols.secrets:
            return False
        needs = self._symbols.needs.get(token)
        if needs is None:
            return all(map(self.has, self._symbols.parts(token)))
        return all(map(self.has, needs.all)) and (not needs.one or any(map(self.has, needs.one)))


@cache
def _token(size: int, *of: bytes) -> bytes:
    data = size.to_bytes(4, "big") + b"".join(len(one).to_bytes(4, "big") + one for one in of)
    return hashlib.shake_128(hashlib.blake2b(data).digest()).digest(size)
