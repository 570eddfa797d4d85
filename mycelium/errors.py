"""Every exception the project raises on purpose.

MyceliumError
 +- LocalError           our own caller or operator erred
 |   +- ConfigError      a setting, flag, URL or configuration file
 |   +- IdentityError    a key or a key file
 |   +- DeviceError      the TUN device, a socket or the kernel's routes
 |   +- ApiError         the running daemon refused a call or is not there
 +- RemoteError          bytes from the network; never leaves the pure core
     +- DecodeError      they do not follow the wire format
     +- HandshakeError   they do not authenticate
"""


class MyceliumError(Exception):
    """The root: whatever the project raises on purpose."""


class LocalError(MyceliumError):
    """Our own caller or operator erred; the text is written for them."""


class ConfigError(LocalError):
    """A setting, flag, URL or configuration file can't be used."""


class IdentityError(LocalError):
    """A key or key file can't be used."""


class DeviceError(LocalError):
    """The TUN device, a socket or the kernel's routes can't be set up."""


class ApiError(LocalError):
    """The running daemon refused a call or can't be reached."""


class RemoteError(MyceliumError):
    """Bytes from the network are not acceptable; counted and dropped, never fatal."""


class DecodeError(RemoteError):
    """Bytes do not follow the wire format."""


class OtherVersion(DecodeError):
    """Bytes follow another version of the wire format; what holds them can be skipped."""


class HandshakeError(RemoteError):
    """A handshake message does not authenticate or comes at the wrong moment."""
