"""`mycelium page`: the URL that a browser can open, or why there is none."""

import json
from pathlib import Path

import click
import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.cli.main import main
from tests.api.support import LOOPBACK, FakeNode
from tests.cli.support import served

Capture = pytest.CaptureFixture[str]


def test_the_url_of_the_page_is_shown_and_opened_if_wished(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    opened: list[str] = []

    def launch(url: str) -> int:
        opened.append(url)
        return 0

    monkeypatch.setattr(click, "launch", launch)
    with served(FakeNode(), LOOPBACK) as address:
        assert main(["page", "--api-addr", str(address)]) == 0
        assert (capsys.readouterr().out, opened) == (f"http://{address}/\n", [])
        assert main(["page", "--open", "--json", "--api-addr", str(address)]) == 0
    assert json.loads(capsys.readouterr().out) == {"url": f"http://{address}/"}
    assert opened == [f"http://{address}/"]


def test_a_host_without_a_browser_is_told(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(click, "launch", lambda url: 3)
    with served(FakeNode(), LOOPBACK) as address:
        assert main(["page", "--open", "--api-addr", str(address)]) == 1
    assert capsys.readouterr().err == "mycelium: no browser could be started on this host\n"


def test_a_socket_that_no_browser_opens_is_said_with_the_way_around(tmp_path: Path, capsys: Capture) -> None:
    with served(FakeNode(), ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["page", "--api-addr", str(address)]) == 1
    assert f"ssh -N -L 8989:{tmp_path}/api.sock HOST" in capsys.readouterr().err


def test_without_a_daemon_there_is_no_page(tmp_path: Path, capsys: Capture) -> None:
    assert main(["page", "--api-addr", f"unix:{tmp_path}/none.sock"]) == 3
    assert "no daemon is listening" in capsys.readouterr().err
