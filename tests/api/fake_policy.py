"""A policy of a node that is none, for tests of the API and the command line."""

from mycelium.admin.policy_info import PolicyAnswer, PolicyInfo, PolicyQuestion
from mycelium.errors import LocalError

RULE = "allow tcp 22 from berlin"


class FakePolicy:
    """Lets berlin begin something with port 22 of this host."""

    def info(self) -> PolicyInfo:
        return PolicyInfo(
            summary="closed: only answers come in",
            default="closed",
            packets=[RULE, "deny udp"],
            sessions=["deny from 4ab::1"],
            links=[],
            flows=3,
            denied=7,
        )

    def test(self, question: PolicyQuestion) -> PolicyAnswer:
        if question.destination != "here":
            raise LocalError("one of the two nodes must be this one")
        if question.source == "berlin" and question.port == "22":
            return PolicyAnswer(allowed=True, why=f"rule 1 of packets: {RULE}", rule=RULE)
        return PolicyAnswer(allowed=False, why="no rule decides about it; the default is closed")
