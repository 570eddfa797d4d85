"""Each kind of setting refuses what is not of its kind, in one sentence."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.checks import CHECKS, file_path, node_name
from mycelium.admin.setting import Kind
from mycelium.errors import ConfigError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.parametrize("kind", Kind)
@given(value=VALUES)
def test_any_value_is_taken_or_refused_with_a_config_error(kind: Kind, value: object) -> None:
    with contextlib.suppress(ConfigError):
        CHECKS[kind](value, Path("/"))


def test_a_relative_path_starts_at_its_folder() -> None:
    assert file_path("a/b", Path("/etc")) == Path("/etc/a/b")
    assert file_path("/a", Path("/etc")) == Path("/a")


@pytest.mark.parametrize("text", ["-a", "a-", "a_b", "", "a.b", "x" * 64])
def test_a_name_that_the_dns_could_not_carry_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid name"):
        node_name(text)


def test_a_name_is_in_lower_case() -> None:
    assert node_name("Berlin-2") == "berlin-2"
