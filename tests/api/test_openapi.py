"""The document describes what the server does: each call of it, with any arguments, is answered as the document says."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.api.app import OPENAPI
from mycelium.api.counters import ApiCounters
from mycelium.api.openapi import document
from mycelium.api.operations import operations
from mycelium.api.stream import Streams
from tests.api.fake_diagnosis import FAR
from tests.api.support import ADDRESS, FIRST_PEER, KEY, LOOPBACK, FakeNode, serving, unix
from tests.support.examples import examples

JSON: Final = "application/json"
_KINDS: Final[dict[str, Any]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
Call = tuple[str, str, str | None]  # method, path, body


def the_document() -> dict[str, Any]:
    node = FakeNode()
    written: dict[str, Any] = json.loads(json.dumps(document(operations(node, Streams(node, ApiCounters())))))
    return written


DOCUMENT: Final = the_document()
CALLS: Final = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]


def mistakes(value: Any, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yields where a value is not as a schema wants it: as much of JSON Schema as the document uses."""
    if "$ref" in schema:
        yield from mistakes(value, DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], where)
        return
    if "anyOf" in schema:
        if all(any(mistakes(value, one, where)) for one in schema["anyOf"]):
            yield f"{where}: {value!r} is none of {schema['anyOf']}"
        return
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{where}: {value!r} is no {kind}"
    elif isinstance(value, dict):
        yield from (f"{where}: no {name}" for name in schema.get("required", ()) if name not in value)
        properties = schema.get("properties", {})
        for name, one in value.items():
            inner = properties.get(name, schema.get("additionalProperties"))
            if inner is None:
                yield f"{where}: {name} is not described"
            elif isinstance(inner, dict):
                yield from mistakes(one, inner, f"{where}/{name}")
    elif isinstance(value, list):
        for one in value:
            yield from mistakes(one, schema.get("items", {}) or {}, f"{where}[]")


def test_the_schemas_of_the_test_find_mistakes() -> None:
    peer = {"$ref": "#/components/schemas/PeerRequest"}
    assert not list(mistakes({"endpoint": "x"}, peer))
    assert list(mistakes({"endpoint": 1}, peer))
    assert list(mistakes({}, peer))
    assert list(mistakes({"endpoint": "x", "more": 1}, peer))


def test_it_is_served_and_has_every_path_of_ours_once(tmp_path: Path) -> None:
    async def run() -> Any:
        async with serving(FakeNode(), unix(tmp_path)) as server:
            connector = aiohttp.UnixConnector(server.address.path)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get(f"http://localhost{OPENAPI}") as response,
            ):
                assert response.content_type == JSON
                return await response.json()

    served = asyncio.run(run())
    assert served == DOCUMENT
    assert served["openapi"].startswith("3.1.")
    ids = [one["operationId"] for methods in served["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids) == len(CALLS) > 20
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(served)):
        assert reference in served["components"]["schemas"]


def arguments(method: str, path: str) -> st.SearchStrategy[Call]:
    """Returns calls of one kind: sensible arguments and any others."""
    described = DOCUMENT["paths"][path][method]
    text = st.sampled_from([ADDRESS, FIRST_PEER, KEY, "400::1", "udp://x:1"]) | st.text(min_size=1, max_size=20)
    queries = [one["name"] for one in described.get("parameters", ()) if one["in"] == "query"]
    value = st.sampled_from(["0", "0.01", "-1", "nan", "x"])  # as whole numbers or as seconds to wait
    body = st.sampled_from([{"endpoint": "udp://b:2"}, {"endpoint": 3}, {}, {"uses": 1}, {"node": FAR}, []]).map(
        json.dumps
    )

    def call(text: str, numbers: dict[str, str], body: str | None) -> Call:
        query = "&".join(f"{name}={number}" for name, number in numbers.items())
        place = re.sub(r"{\w+}", lambda _: quote(text, safe=""), path)
        return method.upper(), place + (f"?{query}" if query else ""), body

    numbers = st.dictionaries(st.sampled_from(queries), value) if queries else st.just({})
    return st.builds(call, text, numbers, body if "requestBody" in described else st.none())


@pytest.mark.parametrize(("method", "path"), [one for one in CALLS if "/stream" not in one[1]])
def test_each_call_is_answered_as_the_document_says(method: str, path: str) -> None:
    loop = asyncio.new_event_loop()
    stack = serving(FakeNode(), LOOPBACK)
    server = loop.run_until_complete(stack.__aenter__())
    session = loop.run_until_complete(_session())

    async def answered(call: Call) -> None:
        verb, place, body = call
        async with session.request(verb, f"http://{server.address}{place}", data=body) as response:
            found = DOCUMENT["paths"][path][method]["responses"].get(str(response.status))
            assert found is not None, (response.status, await response.text())
            text = await response.text()
            if "content" in found and response.content_type == JSON:
                [schema] = [one["schema"] for one in found["content"].values()]
                assert list(mistakes(json.loads(text), schema)) == []
            elif "content" not in found:
                assert text == ""

    @settings(max_examples=examples(15), deadline=None)
    @given(arguments(method, path))
    def each(call: Call) -> None:
        loop.run_until_complete(answered(call))

    try:
        each()
    finally:
        loop.run_until_complete(session.close())
        loop.run_until_complete(stack.__aexit__(None, None, None))
        loop.close()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()
