"""Lookups: which node has an address, and where it is at home; landmarks answer from their home records.

Body of a lookup:
    0  8   /64
    8  8   nonce
    16     zeros, 512 bytes in all, so that no answer is longer than its question

Body of an answer:
    0  8   nonce of the lookup
    8      home records of nodes with that /64, one after the other, or none
"""

from collections.abc import Sequence
from typing import Final

from mycelium.errors import DecodeError
from mycelium.identity import SUBNET_BYTES
from mycelium.wire.home_record import HOME_RECORD_BYTES, HomeRecord, decode_home_record, encode_home_record

LOOKUP_BYTES: Final = 512
NONCE_BYTES: Final = 8
RECORDS_PER_ANSWER: Final = (LOOKUP_BYTES - NONCE_BYTES) // HOME_RECORD_BYTES

_NONCE_END: Final = SUBNET_BYTES + NONCE_BYTES


def encode_lookup(subnet: bytes, nonce: bytes) -> bytes:
    """Returns the body of a lookup."""
    return (subnet + nonce).ljust(LOOKUP_BYTES, b"\0")


def decode_lookup(body: bytes) -> tuple[bytes, bytes]:
    """Returns the /64 and the nonce; raises DecodeError for a body that is too short."""
    if len(body) < LOOKUP_BYTES:
        raise DecodeError("the lookup is too short")
    return body[:SUBNET_BYTES], body[SUBNET_BYTES:_NONCE_END]


def encode_answer(nonce: bytes, records: Sequence[HomeRecord]) -> bytes:
    """Returns the body of an answer with at most RECORDS_PER_ANSWER records."""
    return nonce + encode_records(records[:RECORDS_PER_ANSWER])


def decode_answer(body: bytes) -> tuple[bytes, list[HomeRecord]]:
    """Returns the nonce and the records; raises DecodeError."""
    if len(body) < NONCE_BYTES:
        raise DecodeError("the answer is too short")
    if len(body) > LOOKUP_BYTES:
        raise DecodeError("the answer is longer than its question")
    return body[:NONCE_BYTES], decode_records(body[NONCE_BYTES:])


def encode_records(records: Sequence[HomeRecord]) -> bytes:
    """Returns home records, one after the other."""
    return b"".join(map(encode_home_record, records))


def decode_records(data: bytes) -> list[HomeRecord]:
    """Decodes home records that fill `data`; raises DecodeError."""
    starts = range(0, len(data), HOME_RECORD_BYTES)
    return [decode_home_record(data[start : start + HOME_RECORD_BYTES]) for start in starts]
