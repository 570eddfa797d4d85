"""Flags by their settings names: only what was really given, wherever it stood; every setting has one."""

from pathlib import Path
from typing import Any

import click
import pytest

from mycelium.admin.checks import CHECKS
from mycelium.admin.config import CONFIG_FILE, Settings
from mycelium.admin.setting import WORDS, Kind
from mycelium.cli import options
from mycelium.cli.main import cli


def given(line: str) -> dict[str, Any]:
    """Returns what one command line of a group with a command `inner` was given."""
    found: dict[str, Any] = {}

    @click.group
    @options.general
    def outer() -> None: ...

    @outer.command
    @options.settings
    @click.pass_context
    def inner(context: click.Context) -> None:
        found.update(options.given(context))

    outer.main(line.split(), standalone_mode=False)
    return found


def test_only_what_was_given_counts() -> None:
    assert given("inner") == {}
    assert given("-d inner --no-tun") == {"debug": True, "no_tun": True}


def test_a_flag_counts_before_and_behind_the_command_and_the_last_one_wins() -> None:
    assert given("-k one inner") == {"key_file": "one"}
    assert given("-k one inner -k two") == {"key_file": "two"}


@pytest.mark.parametrize(
    "line",
    [
        *("ping --interval nan x", "ping --interval inf x", "ping --wait nan x", "mesh --wait nan"),
        *("speedtest --seconds nan x", "capture --seconds inf"),
    ],
)
def test_times_are_numbers(line: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a number of seconds"):
        cli.main(line.split(), standalone_mode=False)


def test_a_repeatable_flag_is_a_list() -> None:
    assert given("inner --peers a --peers b") == {"peers": ["a", "b"]}


def test_every_setting_is_a_flag_of_run_and_a_key_of_its_name() -> None:
    run = cli.commands["run"]
    flags = {option.name: option for option in run.params if isinstance(option, click.Option)}
    shown = {name for name, option in flags.items() if not option.hidden}
    assert shown == {*Settings.__struct_fields__, CONFIG_FILE} - {"given"}
    assert flags.keys() - shown == {"tcp_listen_port", "quic_listen_port", "disable_quic", "update_workers"}
    for name, option in flags.items():
        if option.hidden:
            continue
        assert f"--{str(name).replace('_', '-')}" in option.opts
        assert option.help
        assert option.help.endswith(".")


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words])
def test_each_word_that_a_shell_offers_is_a_valid_value(kind: Kind, word: str, tmp_path: Path) -> None:
    CHECKS[kind](word, tmp_path)
