"""`mycelium policy`: the rules in effect, and which one decides."""

import json

import pytest

from mycelium.cli.main import main
from tests.api.fake_policy import RULE
from tests.api.support import LOOPBACK, FakeNode
from tests.cli.support import served

Capture = pytest.CaptureFixture[str]


def test_the_rules_in_effect_are_shown(capsys: Capture) -> None:
    with served(FakeNode(), LOOPBACK) as address:
        assert main(["policy", "show", "--api-addr", str(address)]) == 0
        shown = capsys.readouterr().out
        assert main(["policy", "show", "--json", "--api-addr", str(address)]) == 0
    assert [line.split(maxsplit=1) for line in shown.splitlines()] == [
        ["Policy:", "closed: only answers come in"],
        ["Packets:", RULE],
        ["deny", "udp"],
        ["Sessions:", "deny from 4ab::1"],
        ["Flows:", "3"],
        ["Denied:", "7 packets"],
    ]
    assert json.loads(capsys.readouterr().out)["packets"] == [RULE, "deny udp"]


def test_which_rule_decides_is_shown_and_the_status_tells(capsys: Capture) -> None:
    with served(FakeNode(), LOOPBACK) as address:
        assert main(["policy", "test", "berlin", "here", "22", "--api-addr", str(address)]) == 0
        assert main(["policy", "test", "paris", "here", "22", "--api-addr", str(address)]) == 1
        assert main(["policy", "test", "paris", "here", "22", "--json", "--api-addr", str(address)]) == 1
        allowed, denied, told = capsys.readouterr().out.split("\n", 2)
        assert main(["policy", "test", "berlin", "paris", "22", "--api-addr", str(address)]) == 1
    assert allowed == f"allowed: rule 1 of packets: {RULE}"
    assert denied == "denied: no rule decides about it; the default is closed"
    assert json.loads(told)["allowed"] is False
    assert capsys.readouterr().err == "mycelium: one of the two nodes must be this one\n"
