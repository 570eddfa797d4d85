"""Exit statuses of the command line: what an error makes of a command."""

from typing import Final

from mycelium.errors import CallError, ConfigError, MyceliumError, NoDaemon

FAILURE: Final = 1
USAGE: Final = 2  # a mistake in the command line or the settings
NO_DAEMON: Final = 3


def status_of(error: MyceliumError) -> int:
    """Returns the exit status of a command that ends with an error."""
    match error:
        case ConfigError() | CallError():
            return USAGE
        case NoDaemon():
            return NO_DAEMON
        case _:
            return FAILURE
