"""The files of the page, as they lie in the package."""

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from mycelium.api.http import Response

# Path -> name and type.
FILES: Final = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/colours.css": ("colours.css", "text/css; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/map.js": ("map.js", "text/javascript; charset=utf-8"),
    "/mesh.js": ("mesh.js", "text/javascript; charset=utf-8"),
    "/layout.js": ("layout.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS: Final = (
    ("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Vary", "Accept-Encoding"),
    ("Cache-Control", "no-cache"),  # the next version of the daemon has other files at the same place
)


def file(path: str, headers: Mapping[str, str]) -> Response:
    """Returns one of FILES, compressed for whoever takes that, by the headers of the request."""
    taken = {coding.strip() for coding in headers.get("accept-encoding", "").lower().split(",")}
    return _file(path, is_packed="gzip" in taken)


@cache
def _file(path: str, *, is_packed: bool) -> Response:
    name, content_type = FILES[path]
    body = (files("mycelium") / "page" / name).read_bytes()
    if is_packed:
        return Response(200, gzip.compress(body, mtime=0), content_type, (*_HEADERS, ("Content-Encoding", "gzip")))
    return Response(200, body, content_type, _HEADERS)
