"""The console script `mycelium-sim`, which is installed with the daemon, though the simulator's libraries may not be."""

import sys
from importlib import import_module


def script() -> None:
    """Runs the command line of the simulator; says in one line which library is missing, where one is."""
    try:
        cli = import_module(".cli", __package__)
    except ModuleNotFoundError as error:
        sys.exit(f"mycelium-sim: {error.name} is not installed: pip install 'mycelium-mesh[sim]'")
    cli.script()
