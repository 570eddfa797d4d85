"""The structures of diagnosis: their names in JSON."""

import json

import msgspec

from tests.api.fake_diagnosis import FAR, FakeDiagnosis


def test_names_are_in_camel_case_and_a_route_that_cannot_be_used_has_no_cost() -> None:
    told = json.loads(msgspec.json.encode(FakeDiagnosis().explained(FAR)))
    assert {"nextHop", "chosenS", "feasibility", "candidates", "changes"} <= told.keys()
    assert {"nextHop", "linkCost", "dampedS", "pendingLinkCost", "pendingS"} <= told["candidates"][0].keys()
