"""TLS 1.3 and 1.2 (RFC 8446, RFC 5246) between memory buffers."""

import ssl
from typing import Final

from mycelium.errors import DecodeError, OpeningRefused
from mycelium.transport.base import Buffer
from mycelium.transport.certificate import ALPN

RECORD_BYTES: Final = 1 << 14  # plaintext of one record, RFC 8446 section 5.1


class TlsLayer:
    """One end of a TLS connection."""

    def __init__(self, context: ssl.SSLContext, *, is_server: bool, server_name: str = "") -> None:
        self.is_open = False
        self._is_server = is_server
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=is_server, server_hostname=server_name or None
        )
        if not is_server:
            self._shake_hands()  # which makes the ClientHello

    def receive(self, data: Buffer) -> bytes:
        self._incoming.write(data)
        try:
            return self._read() if self.is_open or self._shake_hands() else b""
        except ssl.SSLError as error:
            raise self._failure(error) from error

    def send(self, data: Buffer) -> bytes:
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        return self._outgoing.read()

    def take_answers(self) -> bytes:
        return self._outgoing.read() if self._outgoing.pending else b""

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.is_open = True
        return True

    def _read(self) -> bytes:
        """Returns all plaintext that has arrived; raises EOFError where the peer has closed TLS before."""
        records: list[bytes] = []
        try:
            while record := self._tls.read(RECORD_BYTES):
                records.append(record)
        except ssl.SSLWantReadError:
            return records[0] if len(records) == 1 else b"".join(records)
        if not records:
            raise EOFError
        return b"".join(records)

    def _failure(self, error: ssl.SSLError) -> Exception:
        reason = (error.reason or "unknown error").replace("_", " ").lower()
        if self._is_server or self.is_open:
            return DecodeError(f"TLS: {reason}")
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return OpeningRefused("it does not speak TLS")
        return OpeningRefused(f"the TLS handshake failed: {reason}")


def client_context(alpn: str = ALPN) -> ssl.SSLContext:
    """Returns a context that accepts any certificate.

    The certificate proves nothing that is needed: the link handshake inside proves the neighbour's key, and who stands between
    sees ciphertext with TLS and without. Self-made certificates, and those of a company's inspecting proxy, are as good.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([alpn])
    return context
