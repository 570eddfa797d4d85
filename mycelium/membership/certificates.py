"""Issuing and checking certificates of members. Times are Unix seconds."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from mycelium.errors import IdentityError, NotAMember
from mycelium.identity import address_of_signing_key, verify_signature
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

Sign = Callable[[bytes], bytes]


def issue(
    key: bytes, root: bytes, sign: Sign, *, not_before: int, not_after: int, may_issue: bool = False
) -> Certificate:
    """Returns a certificate for the holder of a signing key, in the network of a root key, signed by the issuer."""
    unsigned = Certificate(MAY_ISSUE if may_issue else 0, not_before, not_after, key)
    return replace(unsigned, signature=sign(certificate_signed_bytes(unsigned, root)))


def sign_removals(removals: Removals, sign: Sign) -> Removals:
    """Returns a part of the removed members with the signature of the root key."""
    return replace(removals, signature=sign(removals_signed_bytes(removals)))


def are_signed(removals: Removals, root: bytes) -> bool:
    """Tells whether the root key of a network has signed a part of the removed members."""
    return verify_signature(root, removals_signed_bytes(removals), removals.signature)


def check_chain(chain: Chain, root: bytes, *, at: float) -> tuple[list[bytes], int]:
    """Returns the addresses of a member and of who issued its certificate, and until when it is one; raises NotAMember."""
    issuer = root
    for certificate in reversed(chain):
        if issuer is not root and not chain[-1].may_issue:
            raise NotAMember("its certificate was issued by a member who may not issue any")
        if not verify_signature(issuer, certificate_signed_bytes(certificate, root), certificate.signature):
            raise NotAMember("its certificate is not of this network, or forged")
        if at < certificate.not_before - SKEW_S:
            raise NotAMember("its certificate is not valid yet: is a clock wrong?")
        if at > certificate.not_after + SKEW_S:
            raise NotAMember("its certificate has expired")
        issuer = certificate.key
    try:
        addresses = [address_of_signing_key(certificate.key) for certificate in chain]
    except IdentityError:
        raise NotAMember("its certificate is for a key that is none") from None
    return addresses, min(certificate.not_after for certificate in chain) + SKEW_S
