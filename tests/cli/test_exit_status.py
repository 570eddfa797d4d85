import pytest

from mycelium.cli.exit_status import status_of
from mycelium.errors import ApiError, CallError, ConfigError, LocalError, MyceliumError, NoDaemon


@pytest.mark.parametrize(
    ("error", "status"), [(LocalError, 1), (ApiError, 1), (CallError, 2), (ConfigError, 2), (NoDaemon, 3)]
)
def test_mistakes_and_a_daemon_that_is_not_there_are_told_from_failures(
    error: type[MyceliumError], status: int
) -> None:
    assert status_of(error("why")) == status
