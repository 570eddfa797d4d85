"""Which Python this is, and how it was built: profile-guided and link-time optimisation make the data path a third faster.

python -m mycelium.admin.interpreter      prints it; the exit status is 0 where the build is optimised
"""

import platform
import sys
import sysconfig
from pathlib import Path
from typing import Final

DEBIAN: Final = Path("/etc/debian_version")
SYSTEM_PREFIX: Final = "/usr"


def is_optimised() -> bool:
    """Tells whether this interpreter was built with profile-guided optimisation.

    Debian and its kin build with it by other means than the option of `configure` that records it elsewhere.
    """
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return "--enable-optimizations" in options or (sys.base_prefix == SYSTEM_PREFIX and DEBIAN.exists())


def description() -> str:
    """Returns name, version, place and build of this interpreter, for people."""
    build = "built with profile-guided optimisation" if is_optimised() else "built without profile-guided optimisation"
    return f"{platform.python_implementation()} {platform.python_version()} of {sys.base_prefix}, {build}"


if __name__ == "__main__":
    sys.stdout.write(f"{description()}\n")
    sys.exit(not is_optimised())
