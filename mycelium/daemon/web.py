"""Fetches a text over HTTPS, through the proxy of the peers if there is one."""

import contextlib
import socket
import ssl
from base64 import b64encode
from http.client import HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import unquote, urlsplit

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon.resolver import look_up_failed
from mycelium.daemon.threads import in_thread
from mycelium.errors import OpeningRefused, RemoteError, ResolveError
from mycelium.limits import PROXY_ANSWER_BYTES
from mycelium.transport.streams.causes import connect_failed
from mycelium.transport.streams.proxy import Proxy

HTTPS_PORT: Final = 443
OK: Final = 200


async def fetch(url: str, most_bytes: int, proxy: ProxyUrl | None) -> bytes:
    """Returns what is at a URL, at most so many bytes of it; raises ResolveError, which says why it can't be had."""
    page = _Page(url, proxy)
    try:
        return await in_thread(lambda: page.read(most_bytes))
    except (OSError, HTTPException, ValueError, RemoteError) as error:
        raise ResolveError(_cause(error)) from None
    finally:
        page.interrupt()  # the thread would wait on for a slow server


class _Page:
    """What is at one URL; `read` blocks until it is there, or `interrupt` is called from another thread."""

    def __init__(self, url: str, proxy: ProxyUrl | None) -> None:
        self._url = urlsplit(url)
        self._proxy = proxy
        self._stream: socket.socket | None = None  # to the server or the proxy

    def read(self, most_bytes: int) -> bytes:
        host, port = self._url.hostname or "", self._url.port or HTTPS_PORT
        context = ssl.create_default_context()
        connection = HTTPSConnection(host, port)
        with self._connected(host, port) as plain:
            if self._proxy is not None:
                _open_through(Proxy(self._proxy.scheme, self._proxy.login), plain, host, port)
            stream = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        with stream:
            connection.sock = self._stream = stream
            stream.do_handshake()
            connection.request("GET", self._target(), headers=self._login())
            with connection.getresponse() as answer:
                if answer.status != OK:
                    raise ResolveError(f"the server answers {answer.status} {answer.reason}".rstrip())
                return answer.read(most_bytes)

    def interrupt(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):  # it is over
                socket.socket.shutdown(self._stream, socket.SHUT_RDWR)  # of TCP alone: that of TLS is the reader's

    def _connected(self, host: str, port: int) -> socket.socket:
        """Returns a connection to a host, or to the proxy."""
        if self._proxy is None:
            self._stream = socket.create_connection((host, port))
            return self._stream
        try:
            self._stream = socket.create_connection((self._proxy.host, self._proxy.port))
        except OSError as error:
            raise ResolveError(f"the proxy {self._proxy.host}: {_cause(error)}") from None
        return self._stream

    def _target(self) -> str:
        return (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")

    def _login(self) -> dict[str, str]:
        if self._url.username is None:
            return {}
        login = f"{unquote(self._url.username)}:{unquote(self._url.password or '')}"
        return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def _open_through(proxy: Proxy, stream: socket.socket, host: str, port: int) -> None:
    """Has the proxy connect to a host; raises OpeningRefused, DecodeError or OSError."""
    opening = proxy.opening(host, port)
    while not opening.is_open:
        stream.sendall(opening.take_answers())
        data = stream.recv(PROXY_ANSWER_BYTES)
        if not data:
            raise OpeningRefused("the proxy closes the connection")
        opening.receive(data)
    stream.sendall(opening.take_answers())


def _cause(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate can't be trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"it does not open TLS: {error.reason or error}"
        case socket.gaierror():
            return look_up_failed(error)
        case OSError():
            return connect_failed(error)
        case _:
            return str(error) or type(error).__name__
