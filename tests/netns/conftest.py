"""Laboratories for the tests with real daemons, and their logs where one fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.namespaces import Lab, is_available, remove_leftovers


@pytest.fixture(scope="session", autouse=True)
def _tidy_system() -> None:
    if not is_available():
        pytest.skip("this needs root, ip, nft, tc, ping and setpriv")
    remove_leftovers()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty laboratory of the test's own."""
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def module_lab() -> Iterator[Lab]:
    """An empty laboratory that the tests of a module share."""
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the daemons of a module keep keys, sockets and logs."""
    return tmp_path_factory.mktemp("nodes")
