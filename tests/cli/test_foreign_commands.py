"""The calls of the Rust implementation's command line that mean something here succeed, and the others say why not."""

import json

import pytest

from mycelium.cli.main import main
from tests.api.support import KEY

Capture = pytest.CaptureFixture[str]
NEW = "tcp://192.0.2.7:9651"


@pytest.mark.parametrize(
    "words",
    [
        "peers list",
        f"peers add {NEW}",
        "peers remove udp://198.51.100.7:9651",
        "routes selected",
        "routes fallback",
        "routes queried",
        "stats packets",
        "proxy list",
        f"inspect {KEY}",
    ],
)
@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_a_call_succeeds(daemon: str, capsys: Capture, words: str, json_flag: list[str]) -> None:
    before = [] if words.startswith("inspect") else ["--api-addr", daemon]
    assert main([*before, *words.split(), *json_flag]) == 0
    printed = capsys.readouterr().out
    assert printed
    if json_flag:
        json.loads(printed)


def test_what_there_is_nothing_of_is_empty(daemon: str, capsys: Capture) -> None:
    for words, expected in (
        ("routes queried", []),
        ("proxy list", []),
        ("stats packets", {"bySource": [], "byDestination": []}),
    ):
        assert main([*words.split(), "--api-addr", daemon, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("message send 400::1 hello", "'message' is a command of the Rust Mycelium: messages and topics are not"),
        ("message receive", "'message' is a command of the Rust Mycelium: messages and topics are not"),
        ("proxy connect --remote [400::1]:1080", "this is of the Rust Mycelium: there is no SOCKS proxy here"),
        ("proxy disconnect", "this is of the Rust Mycelium: there is no SOCKS proxy here"),
        ("proxy probe start", "this is of the Rust Mycelium: there is no SOCKS proxy here"),
    ],
)
def test_what_means_nothing_here_is_refused_with_a_sentence(capsys: Capture, words: str, sentence: str) -> None:
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err


def test_nobody_is_asked_where_no_daemon_is(capsys: Capture) -> None:
    assert main(["routes", "queried", "--api-addr", "127.0.0.1:1"]) == 3
    assert "is it running?" in capsys.readouterr().err


def test_help_shows_what_is_of_use_here_only(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    assert "proxy" not in capsys.readouterr().out.partition("Commands:")[2]
