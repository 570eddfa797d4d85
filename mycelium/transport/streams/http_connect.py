"""Opens a stream through an HTTP proxy by CONNECT (RFC 9110, section 9.3.6)."""

from base64 import b64encode
from typing import Final

from mycelium.errors import OpeningRefused
from mycelium.limits import PROXY_ANSWER_BYTES
from mycelium.transport.base import Buffer
from mycelium.transport.streams.layer import printable

_END: Final = b"\r\n\r\n"
_NEEDS_LOGIN: Final = "407"


class HttpConnect:
    """Asks the proxy for a connection to `target`, as in host:port; `login` is user and password, where it needs them."""

    def __init__(self, target: str, login: tuple[str, str] | None = None) -> None:
        self.is_open = False
        self._has_login = login is not None
        self._answer = b""
        headers = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if login is not None:
            headers.append(f"Proxy-Authorization: Basic {b64encode(':'.join(login).encode()).decode()}")
        self._request = "\r\n".join([*headers, "", ""]).encode()

    def receive(self, data: Buffer) -> Buffer:
        if self.is_open:
            return data
        searched = max(len(self._answer) - len(_END) + 1, 0)
        self._answer += data
        end = self._answer.find(_END, searched)
        if (len(self._answer) if end < 0 else end + len(_END)) > PROXY_ANSWER_BYTES:
            raise OpeningRefused("the proxy does not speak HTTP")
        if end < 0:
            return b""
        self._judge(self._answer[:end])
        self.is_open = True
        following, self._answer = self._answer[end + len(_END) :], b""
        return following

    def send(self, data: Buffer) -> Buffer:
        return data

    def take_answers(self) -> bytes:
        request, self._request = self._request, b""
        return request

    def _judge(self, head: bytes) -> None:
        version, _, status = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        if not version.startswith("HTTP/1."):
            raise OpeningRefused("the proxy does not speak HTTP")
        if status[:3] == _NEEDS_LOGIN:
            wants = "refuses this user and password" if self._has_login else "wants a user and a password"
            raise OpeningRefused(f"the proxy {wants}: {printable(status)}")
        if not status.startswith("2"):
            raise OpeningRefused(f"the proxy refuses: {printable(status)}")
