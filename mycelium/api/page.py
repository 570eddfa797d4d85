"""The files of the page, as they lie in the package."""

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
    "/layout.js": ("layout.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS: Final = (
    ("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-cache"),  # the next version of the daemon has other files at the same place
)


@cache
def file(path: str) -> Response:
    """Returns one of FILES."""
    name, content_type = FILES[path]
    return Response(200, (files("mycelium") / "page" / name).read_bytes(), content_type, _HEADERS)
