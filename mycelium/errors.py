"""Every exception that the project raises on purpose.

MyceliumError
 +- LocalError            mistakes of the caller or operator
 |   +- ConfigError
 |   +- IdentityError
 |   +- DeviceError
 |   |   +- DiskError
 |   +- ApiError
 |   |   +- CallError
 |   |   +- NoDaemon
 |   +- ResolveError
 +- RemoteError           invalid bytes from the network; never leaves the pure core, or the API
     +- NotAMember
     +- HttpError
     +- RpcError
     +- DecodeError
     |   +- OtherVersion
     +- HandshakeError
     |   +- OwnKey
     |   +- WrongKey
     +- OpeningRefused
     +- MappingRefused
"""


class MyceliumError(Exception):
    """The base of all exceptions of the project."""


class LocalError(MyceliumError):
    """The caller or operator made a mistake; the text is written for them."""


class ConfigError(LocalError):
    """A setting, flag, URL or configuration file is invalid; `excerpt` is what of a key with many lines is wrong."""

    def __init__(self, reason: str, *, excerpt: str = "") -> None:
        super().__init__(reason)
        self.excerpt = excerpt


class IdentityError(LocalError):
    """A key or key file is invalid or unusable."""


class DeviceError(LocalError):
    """The TUN device, a socket or a route of the kernel cannot be set up."""


class DiskError(DeviceError):
    """A file can't be written because the disk is full, read-only or failing."""


class ApiError(LocalError):
    """The daemon refused a call or cannot be reached."""


class CallError(ApiError):
    """A call to the daemon has a mistake: it is no call of its API, or what it names can't be."""


class NoDaemon(ApiError):
    """No daemon answers where one was asked."""


class ResolveError(LocalError):
    """The host of a peer has no address, or its name can't be looked up."""


class RemoteError(MyceliumError):
    """Bytes from the network are invalid; they are counted and dropped, never fatal."""


class DecodeError(RemoteError):
    """Bytes violate the wire format."""


class OtherVersion(DecodeError):
    """Bytes follow another version of the wire format; the message that contains them can be skipped."""


class NotAMember(RemoteError):
    """A node shows no certificate by which it is a member of this network; the text says why, for people."""


class HandshakeError(RemoteError):
    """A handshake message does not authenticate or is unexpected."""


class OwnKey(HandshakeError):
    """The other end of a handshake has this node's own key."""


class WrongKey(HandshakeError):
    """The other end of a handshake has proved another key than the one asked for."""

    def __init__(self, key: bytes, pin: bytes) -> None:
        super().__init__("the neighbour's key is not the pinned one")
        self.key = key
        self.pin = pin


class OpeningRefused(RemoteError):
    """The stream to a peer is not opened, by this host, a proxy or a server on the way; the text says why, for the operator."""


class MappingRefused(RemoteError):
    """A router maps no port for this host; the text says why, for the operator."""


class RpcError(RemoteError):
    """A call of JSON-RPC that is answered by an error of its own."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class HttpError(RemoteError):
    """A request to the API that is answered by an error of HTTP, with the headers that it needs."""

    def __init__(self, status: int, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers
