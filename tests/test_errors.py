import inspect

import pytest

from mycelium import errors
from mycelium.errors import LocalError, MyceliumError, RemoteError

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", CLASSES)
def test_each_error_is_one_of_ours_or_of_the_network_s_and_never_both(error: type[MyceliumError]) -> None:
    assert issubclass(error, MyceliumError)
    kinds = [kind for kind in (LocalError, RemoteError) if issubclass(error, kind)]
    assert len(kinds) == (error is not MyceliumError)


@pytest.mark.parametrize("error", CLASSES)
def test_each_error_stands_in_the_picture_of_the_module(error: type[MyceliumError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")
