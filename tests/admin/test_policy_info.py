"""The structures of the API about the policy: their names in JSON."""

import json

import msgspec
import pytest

from mycelium.admin.policy_info import PolicyAnswer, PolicyQuestion


def test_an_answer_says_what_decides() -> None:
    answer = json.loads(msgspec.json.encode(PolicyAnswer(allowed=True, why="rule 1 of packets: allow", rule="allow")))
    assert answer == {"allowed": True, "why": "rule 1 of packets: allow", "rule": "allow"}


def test_a_question_has_no_other_fields() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"source":"a","destination":"b","port":"22","protocol":"tcp"}', type=PolicyQuestion)
