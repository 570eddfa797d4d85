"""Each call of the API is in one list, with all that it takes and answers."""

import asyncio
import inspect

import pytest

from mycelium.admin.mesh import MeshInfo
from mycelium.api.counters import ApiCounters
from mycelium.api.operations import ADMIN, Operation, PeerRequest, operations, overlay_address
from mycelium.api.stream import Streams
from mycelium.errors import HttpError
from tests.api.fake_mesh import QUIET
from tests.api.support import ADDRESS, FakeNode
from tests.lab.waiting import PATIENCE_S


def all_operations() -> dict[tuple[str, str], Operation]:
    node = FakeNode()
    found = operations(node, Streams(node, ApiCounters()))
    by_call = {(one.method, one.path): one for one in found}
    assert len(by_call) == len(found)
    return by_call


def test_each_says_what_it_does_and_only_what_changes_something_takes_a_body() -> None:
    for (method, _), one in all_operations().items():
        assert one.help.endswith(".")
        assert method in ("GET", "POST", "DELETE")
        assert one.body is None or method == "POST"
        assert (one.answers is None) <= (method != "GET")


def test_numbers_behind_a_path_have_defaults_and_wrong_ones_are_told() -> None:
    events = all_operations()["GET", f"{ADMIN}/events"]
    assert events.read({}, "", b"").query == {"after": 0, "wait": 0.0}
    assert events.read({"after": "7", "wait": "1.5", "more": "x"}, "", b"").query == {"after": 7, "wait": 1.5}
    for query, reason in (({"after": "1.5"}, "after must be a whole number"), ({"wait": "x"}, "wait must be a number")):
        with pytest.raises(HttpError, match=reason) as refused:
            events.read(query, "", b"")
        assert refused.value.status == 400


def test_a_body_is_read_in_its_type() -> None:
    add = all_operations()["POST", f"{ADMIN}/peers"]
    assert add.read({}, "", b'{"endpoint":"udp://a:1"}').body == PeerRequest("udp://a:1")
    with pytest.raises(HttpError, match="endpoint") as refused:
        add.read({}, "", b'{"endpoint":1}')
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("text", "address"), [(ADDRESS, ADDRESS), ("0400:0::1", "400::1"), ("192.0.2.1", None), ("x\0", None), ("", None)]
)
def test_addresses_are_read_in_any_form(text: str, address: str | None) -> None:
    assert overlay_address(text) == address


@pytest.mark.parametrize(("wait_s", "answer"), [(0.0, "waiting"), (PATIENCE_S, "refused")])
def test_a_view_of_the_mesh_waits_for_the_answers_of_all_nodes(wait_s: float, answer: str) -> None:
    node = FakeNode()
    node.mesh.waiting_looks = 3
    calls = {one.path: one for one in operations(node, Streams(node, ApiCounters()))}
    mesh = calls[f"{ADMIN}/mesh"]

    async def run() -> MeshInfo:
        found = mesh.do(mesh.read({"wait": str(wait_s)}, "", b""))
        assert inspect.isawaitable(found)
        answered: MeshInfo = await found
        return answered

    assert asyncio.run(run()).nodes[QUIET].answer == answer
