"""The OpenAPI 3.1 document of the API, from the list of its calls and the types of their answers."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct

from mycelium import __version__
from mycelium.api.operations import Operation

_REFERENCE: Final = "#/components/schemas/{name}"
_IN_PATH: Final = re.compile(r"{(\w+)}")
_TYPES: Final = {int: "integer", float: "number"}
_ABOUT: Final = (
    "What the Rust implementation of Mycelium has too is of its shapes. "
    "Where the daemon has a token (--api-token-file), every call over TCP needs it."
)


class ErrorBody(Struct, frozen=True):
    """Why a call was not answered as it wanted."""

    error: str


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Returns the document, to be written as JSON."""
    all_ = list(operations)
    types = [one.answers for one in all_ if one.answers] + [one.body for one in all_ if one.body] + [ErrorBody]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(map(str, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in all_:
        paths.setdefault(one.path, {})[one.method.lower()] = _described(one, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mycelium", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _described(one: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    refusal = _content("application/json", schema_of[str(ErrorBody)])
    statuses = {400, 401, 403} | ({one.refused} if one.refused else set())
    done: dict[str, Any] = {"description": one.help}
    if one.answers is not None:
        done |= _content(one.content_type, schema_of[str(one.answers)])
    found: dict[str, Any] = {
        "operationId": f"{one.method.lower()}{re.sub(r'[^a-z]+', '_', one.path)}".rstrip("_"),
        "summary": one.help,
        "responses": {
            "204" if one.answers is None else "200": done,
            **{str(status): {"description": HTTPStatus(status).phrase, **refusal} for status in sorted(statuses)},
        },
    }
    parameters = [
        *(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _IN_PATH.findall(one.path)
        ),
        *(
            {"name": each.name, "in": "query", "description": each.help, "schema": _schema(each.type, each.default)}
            for each in one.query
        ),
    ]
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        found["requestBody"] = {"required": True, **_content("application/json", schema_of[str(one.body)])}
    return found


def _content(content_type: str, schema: Any) -> dict[str, Any]:
    return {"content": {content_type: {"schema": schema}}}


def _schema(type_: type[int | float], default: int | float) -> dict[str, Any]:
    return {"type": _TYPES[type_], "minimum": 0, "default": default}
