import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycelium.admin import logs
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from tests.api.support import FakeNode
from tests.cli.support import replace_daemon, served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, so that no file and no setting of the person who runs the tests counts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in [name for name in os.environ if name.startswith(("XDG_", "MYCELIUM_"))]:
        monkeypatch.delenv(variable)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the daemon was started with; it ends at once with status 0."""
    settings: list[Settings] = []

    def run(given: Settings) -> int:
        settings.append(given)
        return 0

    replace_daemon(monkeypatch, run)
    return settings


@pytest.fixture(autouse=True)
def log_settings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, str, bool]]:
    """What the log was set up with; the test runner's own log stays."""
    calls: list[tuple[bool, str, bool]] = []

    def configure(debug: bool, log_format: str, *, silent: bool) -> None:
        calls.append((debug, log_format, silent))

    monkeypatch.setattr(logs, "configure", configure)
    return calls


@pytest.fixture
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture(params=["unix", "tcp"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path, node: FakeNode) -> Iterator[str]:
    """The API address of a running daemon."""
    address = ApiAddress.parse(f"unix:{tmp_path}/api.sock" if request.param == "unix" else "127.0.0.1:0")
    with served(node, address) as actual:
        yield str(actual)
