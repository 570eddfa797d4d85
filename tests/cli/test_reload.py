"""`mycelium reload`, beside a daemon that is told to."""

import json

import pytest

from mycelium.cli.main import main
from tests.api.support import FakeNode

Capture = pytest.CaptureFixture[str]


def test_what_has_changed_is_shown_and_what_takes_a_restart(daemon: str, capsys: Capture) -> None:
    assert main(["--api-addr", daemon, "reload"]) == 0
    assert capsys.readouterr().out == "reloaded: 1 peer added; only a restart applies the new tun_name\n"
    assert main(["--api-addr", daemon, "reload", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"applied": ["1 peer added"], "takesRestart": ["tun_name"]}


def test_a_mistake_in_the_configuration_is_shown_and_fails(daemon: str, node: FakeNode, capsys: Capture) -> None:
    node.last_error = "not reloaded, all stays as it was: mycelium.toml: not valid TOML"
    assert main(["--api-addr", daemon, "reload"]) == 1
    assert capsys.readouterr().err == f"mycelium: {node.last_error}\n"
