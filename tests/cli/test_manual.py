"""The manual page has every command and flag, and is what man reads without a warning."""

import shutil
import subprocess

import click
import pytest

from mycelium.cli.main import cli, main

Capture = pytest.CaptureFixture[str]


def all_commands(group: click.Group, path: str = "mycelium") -> list[str]:
    found = []
    for name, command in group.commands.items():
        if not command.hidden:
            found.append(f"{path} {name}")
            found += all_commands(command, f"{path} {name}") if isinstance(command, click.Group) else []
    return found


def test_every_command_and_flag_is_in_it(capsys: Capture) -> None:
    assert main(["manual"]) == 0
    printed = capsys.readouterr().out.replace(r"\-", "-")
    headings = [line.removeprefix(".SS ") for line in printed.splitlines() if line.startswith(".SS ")]
    assert [command for command in all_commands(cli) if not any(one.startswith(command) for one in headings)] == []
    for text in (".TH MYCELIUM 1", "--expires TIME", "--uses N", "--firewall-mark MARK", "/etc/mycelium/mycelium.toml"):
        assert text in printed


def test_no_line_of_text_is_taken_for_a_request(capsys: Capture) -> None:
    assert main(["manual"]) == 0
    requests = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".TP", ".B", ".I"}


@pytest.mark.skipif(shutil.which("groff") is None, reason="the formatter of man is not there")
def test_the_formatter_of_man_has_nothing_to_say(capsys: Capture) -> None:
    assert main(["manual"]) == 0
    command = ["groff", "-man", "-Tutf8", "-ww", "-z"]
    done = subprocess.run(
        command, input=capsys.readouterr().out, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
