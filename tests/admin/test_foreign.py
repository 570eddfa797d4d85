"""What is said of settings and commands that only the Rust implementation has."""

import pytest

from mycelium.admin.config import Settings
from mycelium.admin.foreign import _SETTINGS, foreign_command, foreign_flag, foreign_key
from mycelium.cli.main import cli


def test_a_flag_is_told() -> None:
    told = "--vsock-listen-port is a flag of the Rust Mycelium: there are no links over vsock here"
    assert str(foreign_flag("--vsock-listen-port")).startswith(told)


@pytest.mark.parametrize("key", ["vsock_listen_port", "vsock-listen-port"])
def test_a_key_is_told_however_it_is_written(key: str) -> None:
    assert str(foreign_key(key)).startswith("a setting of the Rust Mycelium: there are no links over vsock here")


def test_what_nobody_knows_is_not_told() -> None:
    assert (foreign_flag("--tpc-port"), foreign_key("tpc"), foreign_command("mesage")) == (None, None, None)


def test_nothing_of_ours_is_called_foreign() -> None:
    assert not _SETTINGS.keys() & {*Settings.__struct_fields__}
    assert [name for name in cli.commands if foreign_command(name)] == []
