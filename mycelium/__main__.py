"""`python -m mycelium` is `mycelium`."""

import sys

from mycelium.cli.main import main

sys.exit(main())
