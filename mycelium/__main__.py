"""`mycelium`, and `python -m mycelium`: the command line."""

import signal
import sys


def main() -> int:
    """Runs the command line; Ctrl-C ends the process without a word while that is still being loaded."""
    is_interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so in the background
    if is_interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mycelium.cli.main import main as run

    if is_interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


if __name__ == "__main__":
    sys.exit(main())
