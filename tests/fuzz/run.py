"""Fuzzes one target with atheris, which watches what of the code each input reaches; `__main__` starts it.

    python -m tests.fuzz.run TARGET STATUS [arguments of libFuzzer]

STATUS is a file to which a line is added every few seconds: seconds, inputs, bytes of memory.
"""

import hashlib
import sys
import time
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["mycelium"], enable_loader_override=False):
    from tests.fuzz.neighbour import Find
    from tests.fuzz.targets import TARGETS

EVERY_S: Final = 2.0
FIND: Final = "find-"


def main() -> None:
    """Fuzzes until libFuzzer ends."""
    name, status, *arguments = sys.argv[1:]
    run, log, begin = TARGETS[name].make(), Path(status), time.monotonic()
    inputs, told = 0, begin

    def tell(now: float) -> None:
        with log.open("a") as file:
            file.write(f"{now - begin:.0f} {inputs} {_memory_bytes()}\n")

    def one(data: bytes) -> None:
        nonlocal inputs, told
        inputs += 1
        if (now := time.monotonic()) - told > EVERY_S:
            told = now
            tell(now)
        try:
            run(data)
        except Find as find:
            log.with_name(FIND + hashlib.sha256(find.acted).hexdigest()[:16]).write_bytes(find.acted)
            raise

    tell(begin)
    itself = f"{sys.executable} -m tests.fuzz.run {name} {status}"  # merging has a shell run this again
    atheris.Setup([itself, *arguments], one)
    atheris.Fuzz()


def _memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    main()
