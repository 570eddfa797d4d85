"""Issuing and checking certificates of members. Times are Unix seconds."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mycelium.crypto.hybrid import verify_hybrid
from mycelium.crypto.primitives import Primitives
from mycelium.errors import IdentityError, NotAMember
from mycelium.identity import FINGERPRINT_BYTES, address_of_signing_key, fingerprint_of
from mycelium.wire.hybrid import HybridKey
from mycelium.wire.membership import (
    MAY_ISSUE,
    Certificate,
    Chain,
    Removals,
    certificate_signed_bytes,
    removals_signed_bytes,
)

SKEW_S: Final = 300  # clocks of two members may differ by this
AGO_S: Final = 3_600  # certificates begin that long ago, for clocks that are behind
# for which a node that joins by an invitation is a member, unless its inviter is for less
INVITED_S: Final = 365 * 86_400

Sign = Callable[[bytes], bytes]


class Holder(Struct, frozen=True):
    """Whom a certificate is for: an Ed25519 key, and the fingerprint of the ML-DSA key that it must prove besides."""

    key: bytes
    fingerprint: bytes | None = None  # None for one that has no such key


class Claims(Struct, frozen=True):
    """What a chain says, true or not."""

    addresses: tuple[bytes, ...]  # of the member, and of who issued its certificate unless the root key did
    fingerprint: bytes | None  # of the member's ML-DSA key
    until: int  # when it is one no more


def issue(
    holder: Holder, root: HybridKey, sign: Sign, *, not_before: int, not_after: int, may_issue: bool = False
) -> Certificate:
    """Returns a certificate in the network of a root key, signed by the issuer."""
    fingerprint = holder.fingerprint or bytes(FINGERPRINT_BYTES)
    unsigned = Certificate(MAY_ISSUE if may_issue else 0, not_before, not_after, holder.key, fingerprint)
    return replace(unsigned, signature=sign(certificate_signed_bytes(unsigned, root)))


def sign_removals(removals: Removals, sign: Sign) -> Removals:
    """Returns a part of the removed members with the signature of the root key."""
    return replace(removals, signature=sign(removals_signed_bytes(removals)))


def are_signed(removals: Removals, root: HybridKey, primitives: Primitives) -> bool:
    """Tells whether the root key of a network has signed a part of the removed members."""
    return verify_hybrid(primitives, root, removals_signed_bytes(removals), removals.signature)


def check_claims(chain: Chain, *, at: float) -> Claims:
    """Returns what a chain says, if that could make a member of its holder; raises NotAMember. No signature is verified."""
    own, issuer = chain.own, chain.issuer
    if issuer is not None:
        if not issuer.may_issue:
            raise NotAMember("its certificate was issued by a member who may not issue any")
        if fingerprint_of(chain.issuer_proof_key) != issuer.fingerprint:
            raise NotAMember("its certificate was issued by another ML-DSA key than that of the member who may")
    for certificate in chain.certificates:
        if at < certificate.not_before - SKEW_S:
            raise NotAMember("its certificate is not valid yet: is a clock wrong?")
        if at > certificate.not_after + SKEW_S:
            raise NotAMember("its certificate has expired")
    try:
        addresses = tuple(address_of_signing_key(one.key) for one in chain.certificates)
    except IdentityError:
        raise NotAMember("its certificate is for a key that is none") from None
    return Claims(addresses, own.fingerprint, min(one.not_after for one in chain.certificates) + SKEW_S)


def check_signatures(chain: Chain, root: HybridKey, primitives: Primitives) -> None:
    """Raises NotAMember unless the root key has signed a chain, or its issuer and that one the member's certificate."""
    signer = root
    if chain.issuer is not None:
        _verify(chain.issuer, root, root, primitives)
        signer = HybridKey(chain.issuer.key, chain.issuer_proof_key)
    _verify(chain.own, signer, root, primitives)


def _verify(certificate: Certificate, signer: HybridKey, root: HybridKey, primitives: Primitives) -> None:
    if not verify_hybrid(primitives, signer, certificate_signed_bytes(certificate, root), certificate.signature):
        raise NotAMember("its certificate is not of this network, or forged")
