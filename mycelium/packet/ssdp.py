"""SSDP, by which UPnP devices are found: the question for an Internet gateway, and its answers.

UPnP Device Architecture 2.0, section 1.3: HTTP's header in a datagram. Where the device describes itself is in LOCATION.
"""

from typing import Final
from urllib.parse import urlsplit

from mycelium.errors import DecodeError

SSDP_GROUP: Final = ("239.255.255.250", 1900)
GATEWAY_TYPE: Final = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"  # later versions answer to it too
SEARCH: Final = (
    f"M-SEARCH * HTTP/1.1\r\nHOST: {SSDP_GROUP[0]}:{SSDP_GROUP[1]}\r\n"
    f'MAN: "ssdp:discover"\r\nMX: 1\r\nST: {GATEWAY_TYPE}\r\n\r\n'
).encode()

_LONGEST_URL: Final = 500


def ssdp_location(data: bytes, host: str) -> str:
    """Returns the URL at which the device on `host` describes itself, from its answer; raises DecodeError.

    A URL that leads anywhere else is none: a router must not have us ask others.
    """
    status, *lines = data.decode("ascii", errors="replace").split("\r\n")
    if not status.startswith("HTTP/1.1 200"):
        raise DecodeError("not an answer of SSDP")
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().upper() == "LOCATION":
            return _checked(value.strip(), host)
    raise DecodeError("an answer of SSDP without LOCATION")


def _checked(url: str, host: str) -> str:
    try:
        parts = urlsplit(url)
        is_fit = (parts.scheme, parts.hostname) == ("http", host) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit or len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise DecodeError("an answer of SSDP with an unfit LOCATION")
    return url
