"""What a secret looks like in a file, and what foreign files are called."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.secret_format import SecretKind, decode_secret, encode_secret, explain, is_bare, is_hex
from mycelium.identity import Identity

SECRET = bytes(range(32))


@pytest.mark.parametrize("kind", SecretKind)
def test_what_is_written_reads_back(kind: SecretKind) -> None:
    data = encode_secret(kind, SECRET)

    assert data == kind.value + SECRET
    assert decode_secret(data) == (kind, SECRET)
    assert not is_bare(data)
    assert decode_secret(data[:-1]) is decode_secret(data + b"\n") is decode_secret(kind.value + bytes(32)) is None


def test_only_32_bytes_that_are_not_all_zero_are_a_bare_secret() -> None:
    assert is_bare(SECRET)
    assert is_bare(b"mycelium-ed25519-seed\n".ljust(32, b"x"))
    assert not any(is_bare(data) for data in (b"", bytes(32), SECRET[1:], SECRET + b"\n"))
    assert is_hex(SECRET.hex().encode() + b"\r\n")
    assert not is_hex(SECRET.hex().encode()[1:])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty: it is damaged, or was never written"),
        (bytes(32), "holds only zeros: it is damaged"),
        (bytes(4096), "holds only zeros: it is damaged"),
        (SECRET[1:], "has 31 bytes, not 32: it is damaged, or belongs to another program"),
        (SECRET + b"x", "has 33 bytes, not 32: it is damaged, or belongs to another program"),
        (
            SECRET + b"\n",
            "has a line end behind its 32 bytes, as editors add it: 'head -c 32 FILE > NEW' makes a file without",
        ),
        (
            SECRET + b"\r\n",
            "has a line end behind its 32 bytes, as editors add it: 'head -c 32 FILE > NEW' makes a file without",
        ),
        (
            SECRET + Identity(SECRET).signing_public_key,
            "is an Ed25519 key pair: 'head -c 32 FILE > NEW' makes a file of its seed, for 'import-key --as-seed'",
        ),
        (SECRET + SECRET, "has 64 bytes, not 32: it is damaged, or belongs to another program"),
        (
            b"mycelium-ed25519-seed\r\n" + SECRET,
            "has the line ends of Windows: copy the original again, as binary data",
        ),
        (b"mycelium-ed25519-seed\n" + SECRET[1:], "is damaged: 31 bytes follow its first line, not 32"),
        (b"mycelium-x25519-secret\n" + SECRET + b"\n", "is damaged: 33 bytes follow its first line, not 32"),
        (
            b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n",
            "is a PEM file, which belongs to another program",
        ),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", "is an SSH key, which belongs to another program"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@here\n", "is an SSH public key, which belongs to another program"),
        (b"# created: 2026-01-01\nAGE-SECRET-KEY-1QQQ\n", "is an age key, which belongs to another program"),
        (b"[Interface]\nPrivateKey = x\n", "is a WireGuard configuration, which belongs to another program"),
        (b64encode(SECRET) + b"\n", "is a key in base64, as WireGuard's are, which belongs to another program"),
        (b64encode(SECRET) + b"\r\n", "is a key in base64, as WireGuard's are, which belongs to another program"),
        (SECRET.hex().encode(), "has its key in hex digits: 'xxd -r -p FILE > NEW' makes a file of the bytes"),
        (
            SECRET.hex().encode() + b"\r\n",
            "has its key in hex digits: 'xxd -r -p FILE > NEW' makes a file of the bytes",
        ),
        (
            b"mycelium-ed25519-seed-2\n" + SECRET,
            "begins with 'mycelium-ed25519-seed-2', as a version of mycelium newer than 0.1.0 writes it: use that version",
        ),
        (b"mycelium-member-2\n" + SECRET, "is the file of a member of a network, which --network-key-file names"),
        (b"!" * 44, "has 44 bytes, not 32: it is damaged, or belongs to another program"),
    ],
)
def test_a_file_that_holds_no_secret_of_ours_is_explained(data: bytes, told: str) -> None:
    assert decode_secret(data) is None
    assert explain(data) == told


@given(st.binary(max_size=100))
def test_any_bytes_are_explained_in_one_line(data: bytes) -> None:
    assert explain(data).isprintable()
