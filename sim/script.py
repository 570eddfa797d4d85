"""The console script `mycelium-sim`, which is installed with the daemon, though the simulator's libraries may not be."""

import sys
from importlib import import_module


def script() -> None:
    """Runs the command line of the simulator; says in one line which library is missing, where one is."""
    try:
        import_module(".cli", __package__).script()
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        sys.exit(f"mycelium-sim: {library} is not installed: pip install 'mycelium-mesh[sim]'")
