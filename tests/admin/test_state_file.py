"""Files that a daemon keeps for itself say which version wrote them, so that another one can tell why it can't read them."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium import __version__
from mycelium.admin.private_file import MAX_BYTES
from mycelium.admin.state_file import KeptState, read_state, write_state
from mycelium.errors import LocalError

NEWER = "999.0.1"


def test_what_was_written_is_read_with_its_version(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, b"some\nlines\n")
    assert read_state(path, error=LocalError) == KeptState(path, b"some\nlines\n", __version__)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda data: b"# mycelium " + data))
def test_any_content_comes_back(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    write_state(path, content)
    assert read_state(path, error=LocalError).content == content


def test_a_file_of_before_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"1700000000\n")
    assert read_state(tmp_path / "state", error=LocalError) == KeptState(tmp_path / "state", b"1700000000\n")


def test_no_more_is_read_than_was_asked_for_with_a_version_or_without(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_state(path, bytes(MAX_BYTES + 7))
    assert len(read_state(path, error=LocalError).content) == MAX_BYTES
    path.write_bytes(bytes(MAX_BYTES + 7))
    assert len(read_state(path, error=LocalError).content) == MAX_BYTES
    assert read_state(path, error=LocalError, most=3).content == bytes(3)


def test_a_file_that_the_daemon_keeps_is_read_through_no_link(tmp_path: Path) -> None:
    state, secret = tmp_path / "state", tmp_path / "secret"
    secret.write_text("of others")
    state.symlink_to(secret)
    with pytest.raises(LocalError, match="state is a symbolic link"):
        read_state(state, error=LocalError)
    write_state(state, b"mine")
    assert (read_state(state, error=LocalError).content, secret.read_text()) == (b"mine", "of others")


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("", "/s holds something else"),
        ("0.0.9", "/s is damaged"),
        (__version__, "/s is damaged"),
        (
            NEWER,
            f"/s was written by mycelium {NEWER}, and this is {__version__}, which can't read it: run that version again "
            "before this one writes the file anew",
        ),
    ],
)
def test_why_a_content_cannot_be_read_depends_on_who_wrote_it(version: str, why: str) -> None:
    assert KeptState(Path("/s"), b"?", version).misfit() == why
