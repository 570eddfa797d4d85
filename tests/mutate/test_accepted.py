import tomllib

import pytest

from tests.mutate.accepted import FILE, accepted
from tests.mutate.runner import ROOT, mutants


@pytest.mark.parametrize("module", tomllib.loads(FILE.read_text()))
def test_every_accepted_mutant_is_one_that_there_is(module: str) -> None:
    assert accepted(module).keys() <= {found.name for found in mutants(ROOT / module)}
    assert all(accepted(module).values())
