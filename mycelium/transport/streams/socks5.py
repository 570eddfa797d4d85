"""Opens a stream through a SOCKS5 proxy (RFC 1928), with user and password where it wants them (RFC 1929)."""

import ipaddress
import struct
from typing import Final

from mycelium.errors import DecodeError, OpeningRefused
from mycelium.transport.base import Buffer

VERSION: Final = 5
LOGIN_VERSION: Final = 1
NO_LOGIN: Final = 0
LOGIN: Final = 2
CONNECT: Final = 1
IPV4: Final = 1
NAME: Final = 3
IPV6: Final = 4
_ADDRESS_BYTES: Final = {IPV4: 4, IPV6: 16}
_REPLIES: Final = {
    1: "general failure",
    2: "its rules do not allow this connection",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "the connection timed out",
    7: "it does not support CONNECT",
    8: "it does not support this kind of address",
}


class Socks5:
    """Asks the proxy for a connection to a host, which may be a name: then the proxy looks it up."""

    def __init__(self, host: str, port: int, login: tuple[str, str] | None = None) -> None:
        self.is_open = False
        self._target = _address(host) + struct.pack(">H", port)
        self._login = login
        methods = (NO_LOGIN,) if login is None else (NO_LOGIN, LOGIN)
        self._to_send = bytes((VERSION, len(methods), *methods))
        self._received = b""
        self._step = self._method_chosen

    def receive(self, data: Buffer) -> Buffer:
        if self.is_open:
            return data
        self._received += data
        while not self.is_open and self._step():
            pass
        if not self.is_open:
            return b""
        following, self._received = self._received, b""
        return following

    def send(self, data: Buffer) -> Buffer:
        return data

    def take_answers(self) -> bytes:
        answers, self._to_send = self._to_send, b""
        return answers

    # Each step returns whether its message was complete.

    def _method_chosen(self) -> bool:
        message = self._take(2)
        if message is None:
            return False
        if message[0] != VERSION:
            raise OpeningRefused("the proxy does not speak SOCKS5")
        if message[1] == NO_LOGIN:
            self._ask()
        elif message[1] == LOGIN and self._login is not None:
            user, password = (text.encode() for text in self._login)
            self._to_send = bytes((LOGIN_VERSION, len(user), *user, len(password), *password))
            self._step = self._login_answered
        else:
            raise OpeningRefused("the proxy wants another way to log in" if self._login else _WANTS_LOGIN)
        return True

    def _login_answered(self) -> bool:
        message = self._take(2)
        if message is None:
            return False
        if message[1] != 0:
            raise OpeningRefused("the proxy refuses this user and password")
        self._ask()
        return True

    def _ask(self) -> None:
        self._to_send = bytes((VERSION, CONNECT, 0)) + self._target
        self._step = self._connected

    def _connected(self) -> bool:
        if len(self._received) < 2:
            return False
        version, reply = self._received[:2]
        if version != VERSION:
            raise DecodeError("the proxy's reply is not of SOCKS5")
        if reply != 0:
            raise OpeningRefused(f"the proxy refuses: {_REPLIES.get(reply, f'reply {reply}')}")
        if len(self._received) < 5:
            return False
        kind, length = self._received[3:5]
        size = length + 1 if kind == NAME else _ADDRESS_BYTES.get(kind)
        if size is None:
            raise DecodeError("the proxy's reply has an unknown kind of address")
        self.is_open = self._take(4 + size + 2) is not None
        return self.is_open

    def _take(self, size: int) -> bytes | None:
        if len(self._received) < size:
            return None
        message, self._received = self._received[:size], self._received[size:]
        return message


_WANTS_LOGIN: Final = "the proxy wants a user and a password"


def _address(host: str) -> bytes:
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:
        name = host.encode()
        return bytes((NAME, len(name))) + name
    return bytes((IPV4 if len(packed) == 4 else IPV6,)) + packed
