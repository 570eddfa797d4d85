"""The simulator: meshes of the code that the daemon runs, in virtual time.

This folder is the package `sim` in the repository, and `mycelium_sim` where pip installs it: its own imports are relative.
"""

from typing import Final

PACKAGE: Final = __name__  # which holds the data files
