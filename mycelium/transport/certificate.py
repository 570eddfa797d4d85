"""The certificate of a TLS server: from files, read again when they are renewed, or made in memory at first need."""

import datetime
import logging
import os
import ssl
from pathlib import Path
from typing import Final

from mycelium.errors import ConfigError
from mycelium.limits import CERTIFICATE_FILE_BYTES
from mycelium.regular_file import read_regular

log = logging.getLogger("mycelium")

ALPN: Final = "http/1.1"  # what a browser offers that wants a WebSocket
LOOK_AGAIN_S: Final = 60.0  # between looks whether the files have changed
SUBJECT: Final = "localhost"
VALID_DAYS: Final = 3_650
CLOCK_SKEW_DAYS: Final = 1


class ServerCertificate:
    """Gives each accepted TLS connection its context; `files` are those of the certificate chain and its key, PEM.

    Raises ConfigError at once where the files can't be used. Files that can't be used later leave the earlier ones in use.
    """

    def __init__(self, files: tuple[Path, Path] | None = None, *, now: float) -> None:
        self._files = files
        self._pem: tuple[bytes, bytes] | None = None
        self._context: ssl.SSLContext | None = None
        self._state: tuple[float, ...] = ()
        self._look_at = now
        if files is not None:
            self._state = _state(files)
            self._context, self._pem = _loaded(files)
            self._look_at = now + LOOK_AGAIN_S

    def context(self, *, now: float) -> ssl.SSLContext:
        """Returns the context for a connection that begins now."""
        if self._files is not None and now >= self._look_at:
            self._look_at = now + LOOK_AGAIN_S
            self._look_again(self._files)
        if self._context is None:
            self._context = _made(*self._self_made())
        return self._context

    def pem(self, *, now: float) -> tuple[bytes, bytes]:
        """Returns the certificate chain and its key, for libraries that take these; another pair once they have changed."""
        if self._files is not None:
            self.context(now=now)  # which looks for renewed files
        return self._pem or self._self_made()

    def _self_made(self) -> tuple[bytes, bytes]:
        if self._pem is None:
            key, separator, certificate = self_signed().partition(b"-----BEGIN CERTIFICATE-----")
            self._pem = separator + certificate, key
        return self._pem

    def _look_again(self, files: tuple[Path, Path]) -> None:
        state = _state(files)
        if state == self._state:
            return
        self._state = state
        try:
            self._context, self._pem = _loaded(files)
        except ConfigError as error:
            log.warning("%s; the earlier certificate stays in use", error)
        else:
            log.info("read the TLS certificate %s again", files[0])


def _state(files: tuple[Path, Path]) -> tuple[float, ...]:
    """Returns what changes when files are replaced; nothing where one can't be read."""
    try:
        stats = [os.stat(file) for file in files]
    except OSError:
        return ()
    return tuple(value for stat in stats for value in (stat.st_ino, stat.st_mtime_ns, stat.st_size))


def _loaded(files: tuple[Path, Path]) -> tuple[ssl.SSLContext, tuple[bytes, bytes]]:
    """Returns the context of these files, and what is in them."""
    certificate, key = files
    pem = _read(certificate), _read(key)
    context = _server_context()
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"the TLS key {key} does not belong to the certificate {certificate}") from None
        if error.reason is not None:  # well-formed, and not what this host's OpenSSL accepts
            reason = error.reason.lower().replace("_", " ")
            raise ConfigError(
                f"OpenSSL does not accept the TLS certificate {certificate} with {key}: {reason}"
            ) from None
        raise ConfigError(f"{certificate} and {key} are not a TLS certificate and its key in PEM format") from None
    return context, pem


def _read(file: Path) -> bytes:
    try:
        found = read_regular(file, CERTIFICATE_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"TLS certificate: cannot read {file}: {error.strerror}") from None
    if found is None:
        raise ConfigError(f"TLS certificate: {file} is not a regular file")
    data, _ = found
    if len(data) > CERTIFICATE_FILE_BYTES:
        raise ConfigError(f"TLS certificate: {file} is longer than {CERTIFICATE_FILE_BYTES >> 10} KiB")
    return data


def _no_password() -> str:
    raise ConfigError("the TLS key is encrypted: give a key file without a password")


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([ALPN])
    # The sessions of older versions could be resumed, and stay in memory.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _made(certificate: bytes, key: bytes) -> ssl.SSLContext:
    context = _server_context()
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)  # the library reads nothing but files
    try:
        os.write(descriptor, key + certificate)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def self_signed() -> bytes:
    """Returns a new key and its certificate, PEM."""
    from cryptography import x509  # here, because few nodes need it
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SUBJECT)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=CLOCK_SKEW_DAYS))
        .not_valid_after(today + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SUBJECT)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
