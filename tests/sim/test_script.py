from types import ModuleType

import pytest

from sim.script import script


def test_a_library_that_is_missing_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, package: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'scipy.sparse'", name="scipy.sparse")

    monkeypatch.setattr("sim.script.import_module", fail)
    with pytest.raises(SystemExit) as ended:
        script()
    assert ended.value.code == "mycelium-sim: scipy is not installed: pip install 'mycelium-mesh[sim]'"
