import sys

import pytest

from sim.script import script


def test_a_library_that_is_missing_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sim.cli", None)  # stands for a library: an import that fails
    with pytest.raises(SystemExit, match=r"^mycelium-sim: sim.cli is not installed: ./dev setup sim, or pip install"):
        script()
