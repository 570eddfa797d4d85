from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, so that no file and no setting of the person who runs the tests counts."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "MYCELIUM_API_ADDR", "MYCELIUM_API_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path
