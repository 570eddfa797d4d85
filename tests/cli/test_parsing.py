"""Two habits of the Rust command line: no subcommand means `run`, and a flag takes many values."""

import click
import pytest

from mycelium.cli.parsing import DefaultGroup, ManyValuesCommand

Parsed = list[tuple[str, object, object]]


@pytest.fixture
def parsed() -> Parsed:
    """The commands that were run, with what they were given."""
    return []


@pytest.fixture
def group(parsed: Parsed) -> click.Group:
    """A group with a flag, an option and two commands, `run` among them."""

    @click.group(cls=DefaultGroup, default_command="run")
    @click.option("--debug", "-d", is_flag=True)
    @click.option("--key", "-k")
    @click.version_option("1.0")
    def group(debug: bool, key: str | None) -> None:
        parsed.append(("group", debug, key))

    @group.command(cls=ManyValuesCommand)
    @click.option("--peers", multiple=True)
    @click.option("--tun", default="")
    def run(peers: tuple[str, ...], tun: str) -> None:
        parsed.append(("run", peers, tun))

    @group.command
    def status() -> None:
        parsed.append(("status", None, None))

    return group


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ["run"]),
        ("-d", ["run"]),
        ("--tun x", ["run"]),
        ("-k status", ["run"]),
        ("-k status status", ["status"]),
        ("--key=x status", ["status"]),
        ("status", ["status"]),
        ("-d run --tun x", ["run"]),
    ],
)
def test_the_command_is_the_first_word_behind_the_groups_own_flags(
    group: click.Group, parsed: Parsed, line: str, expected: list[str]
) -> None:
    group.main(line.split(), standalone_mode=False)
    assert [name for name, _, _ in parsed[1:]] == expected


@pytest.mark.parametrize(
    ("line", "peers"),
    [
        ("--peers a", ("a",)),
        ("--peers a b c", ("a", "b", "c")),
        ("--peers a b --tun x --peers c", ("a", "b", "c")),
        ("--tun x --peers a", ("a",)),
    ],
)
def test_a_repeatable_flag_takes_values_until_the_next_flag(
    group: click.Group, parsed: Parsed, line: str, peers: tuple[str, ...]
) -> None:
    group.main(line.split(), standalone_mode=False)
    assert parsed[1][1] == peers
    assert parsed[1][2] == ("x" if "--tun" in line else "")


@pytest.mark.parametrize("line", ["--peers", "--peers --tun x", "--tun x --peers"])
def test_a_repeatable_flag_without_a_value_is_an_error(group: click.Group, line: str) -> None:
    with pytest.raises(click.BadOptionUsage, match="'--peers' requires a value"):
        group.main(["run", *line.split()], standalone_mode=False)


def test_help_and_version_belong_to_the_group(
    group: click.Group, parsed: Parsed, capsys: pytest.CaptureFixture[str]
) -> None:
    group.main(["--version"], standalone_mode=False)
    assert "1.0" in capsys.readouterr().out
    assert parsed == []
