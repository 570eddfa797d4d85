"""Certificates of a TLS server: self-made ones, files, renewed files, and files that can't be used."""

import logging
import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from mycelium.errors import ConfigError
from mycelium.limits import CERTIFICATE_FILE_BYTES
from mycelium.transport.certificate import LOOK_AGAIN_S, ServerCertificate, self_signed
from mycelium.transport.streams.tls import TlsLayer, client_context
from tests.transport.streams.support import joined


def write(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Writes a new key and its certificate into files of their own."""
    secret, separator, certificate = self_signed().partition(b"-----BEGIN CERTIFICATE-----")
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(separator + certificate)
    files[1].write_bytes(secret)
    return files


def shown(certificate: ServerCertificate, *, now: float) -> bytes:
    """Returns the certificate that a client is shown."""
    client = TlsLayer(client_context(), is_server=False)
    joined(client, TlsLayer(certificate.context(now=now), is_server=True))
    found = client._tls.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def test_one_is_made_at_first_need_and_kept() -> None:
    made = ServerCertificate(now=0.0)
    assert shown(made, now=0.0) == shown(made, now=9e9)
    assert shown(made, now=0.0) != shown(ServerCertificate(now=0.0), now=0.0)


def test_files_are_shown(tmp_path: Path) -> None:
    files = write(tmp_path)
    assert shown(ServerCertificate(files, now=0.0), now=0.0) == der(files[0])


def test_renewed_files_are_read_again_soon(tmp_path: Path) -> None:
    files = write(tmp_path)
    server = ServerCertificate(files, now=0.0)
    before = der(files[0])
    write(tmp_path)
    assert shown(server, now=LOOK_AGAIN_S / 2) == before
    assert shown(server, now=LOOK_AGAIN_S) == der(files[0]) != before
    context = server.context(now=2 * LOOK_AGAIN_S)
    assert server.context(now=3 * LOOK_AGAIN_S) is context


def test_files_that_became_unusable_leave_the_earlier_ones_in_use(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = write(tmp_path)
    server = ServerCertificate(files, now=0.0)
    before = der(files[0])
    files[1].unlink()
    with caplog.at_level(logging.INFO, "mycelium"):
        assert shown(server, now=LOOK_AGAIN_S) == before
        assert shown(server, now=2 * LOOK_AGAIN_S) == before
    [record] = caplog.records
    assert record.message.endswith("server.key: No such file or directory; the earlier certificate stays in use")
    write(tmp_path)
    assert shown(server, now=3 * LOOK_AGAIN_S) == der(files[0])


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, _ = write(tmp_path)
    _, key = write(tmp_path, "other")
    with pytest.raises(ConfigError, match=r"other\.key does not belong to the certificate"):
        ServerCertificate((certificate, key), now=0.0)


def test_an_encrypted_key_is_refused_without_asking_for_a_password(tmp_path: Path) -> None:
    certificate, key = write(tmp_path)
    secret = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    encoded = secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    key.write_bytes(encoded)
    with pytest.raises(ConfigError, match="the TLS key is encrypted"):
        ServerCertificate((certificate, key), now=0.0)


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    certificate, key = write(tmp_path)
    certificate.write_bytes(content)
    with pytest.raises(ConfigError, match="are not a TLS certificate and its key in PEM format"):
        ServerCertificate((certificate, key), now=0.0)


def test_a_certificate_that_openssl_does_not_accept_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = ssl.SSLError("ee key too small")
        error.reason = "EE_KEY_TOO_SMALL"
        raise error

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    with pytest.raises(ConfigError, match=r"OpenSSL does not accept the TLS certificate .*: ee key too small"):
        ServerCertificate(write(tmp_path), now=0.0)


def test_files_that_never_end_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    certificate, key = write(tmp_path)
    fifo, endless = tmp_path / "fifo", tmp_path / "endless"
    os.mkfifo(fifo)
    for odd in (Path("/dev/zero"), fifo):
        with pytest.raises(ConfigError, match=rf"^TLS certificate: {odd} is not a regular file$"):
            ServerCertificate((certificate, odd), now=0.0)
    endless.write_bytes(bytes(CERTIFICATE_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match=r"endless is longer than 1024 KiB$"):
        ServerCertificate((endless, key), now=0.0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    certificate, key = write(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot read .*absent: No such file or directory"):
        ServerCertificate((certificate, key.with_name("absent")), now=0.0)


def test_what_other_libraries_are_given_is_what_tls_shows(tmp_path: Path) -> None:
    files = write(tmp_path)
    for certificate in (ServerCertificate(now=0.0), ServerCertificate(files, now=0.0)):
        chain, key = certificate.pem(now=0.0)
        assert ssl.PEM_cert_to_DER_cert(chain.decode()) == shown(certificate, now=0.0)
        assert b"PRIVATE KEY" in key
        assert certificate.pem(now=1.0) is certificate.pem(now=2.0)
    write(tmp_path)
    renewed = certificate.pem(now=LOOK_AGAIN_S)
    assert renewed[0] != chain
    files[1].unlink()
    assert certificate.pem(now=2 * LOOK_AGAIN_S) is renewed
