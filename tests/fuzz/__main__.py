"""Fuzzes every decoder, and whole nodes by a neighbour that seals what it likes, for some minutes, on all processors.

    ./dev fuzz 10
    ./dev fuzz 60 --targets neighbour --keep 60

What is found lies in .cache/fuzz afterwards, and what led to it is printed in hexadecimal: a line more for the corpus in
tests/fuzz/corpus, which the tests run. Inputs that reach something new stay in .cache/fuzz for the next time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.targets import TARGETS, corpus_of, keep

FOLDER: Final = Path(__file__).parents[2] / ".cache/fuzz"
LONGEST: Final = {"decoders": 2_048}  # bytes of an input
LONGEST_OF_ACTS: Final = 8_192
MINUTE_S: Final = 60
MERGE_S: Final = 120
SHOWN: Final = 2_000  # characters of a find
MEBIBYTE: Final = 1 << 20


class Outcome(NamedTuple):
    """What one process has done: inputs, per second, and memory after a third of the time and at the end."""

    name: str
    inputs: int
    per_second: float
    third_bytes: int
    end_bytes: int
    finds: list[Path]


def main() -> int:
    """Fuzzes; returns 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at one time")
    parser.add_argument(
        "--keep", type=int, default=0, metavar="INPUTS", help="most to keep in the corpus; 0 changes none"
    )
    given = parser.parse_args()
    shares = [given.targets[number % len(given.targets)] for number in range(max(given.jobs, len(given.targets)))]
    seconds = given.minutes * MINUTE_S * given.jobs / len(shares)
    outcomes: list[Outcome] = []
    for start in range(0, len(shares), given.jobs):
        running = [
            _begin(name, number, seconds) for number, name in enumerate(shares[start : start + given.jobs], start)
        ]
        outcomes += [_end(*one) for one in running]
    for name in given.targets if given.keep else []:
        keep(name, _smallest(name, given.keep))
    for one in outcomes:
        _tell(one)
    return 1 if any(one.finds for one in outcomes) else 0


def _begin(name: str, number: int, seconds: float) -> tuple[str, Path, subprocess.Popen[bytes]]:
    """Starts a process, whose status and finds lie in a folder of their own."""
    folder, corpus = FOLDER / f"{name}-{number}", FOLDER / name
    for one in (folder, corpus):
        one.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for index, data in enumerate(corpus_of(name)):
        corpus.joinpath(f"seed-{index}").write_bytes(data)
    arguments = (
        f"-max_total_time={seconds:.0f}",
        f"-max_len={LONGEST.get(name, LONGEST_OF_ACTS)}",
        "-entropic_scale_per_exec_time=1",  # otherwise most inputs are changes of those that take longest
        f"-artifact_prefix={folder}/",
        str(corpus),
    )
    command = (sys.executable, "-m", "tests.fuzz.run", name, str(folder / "status"), *arguments)
    with folder.joinpath("log").open("wb") as log:
        return name, folder, subprocess.Popen(command, stdout=log, stderr=log)


def _end(name: str, folder: Path, process: subprocess.Popen[bytes]) -> Outcome:
    process.wait()
    status = folder / "status"
    lines = [list(map(int, line.split())) for line in status.read_text().splitlines()]
    finds = [path for path in folder.iterdir() if path.name.startswith(("crash-", "find-", "oom-", "timeout-"))]
    if process.returncode and not finds:
        finds = [folder / "log"]
    seconds, inputs, memory_bytes = lines[-1]
    return Outcome(name, inputs, inputs / max(seconds, 1), lines[len(lines) // 3][2], memory_bytes, finds)


def _smallest(name: str, count: int) -> list[bytes]:
    """Returns the smallest inputs of those that reach all that is reached."""
    with tempfile.TemporaryDirectory() as directory:
        command = (sys.executable, "-m", "tests.fuzz.run", name, os.devnull, "-merge=1", directory, str(FOLDER / name))
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=MERGE_S, check=True)
        kept = sorted((path.read_bytes() for path in Path(directory).iterdir()), key=len)
    if not kept:
        sys.exit(f"merging the inputs of {name} kept none of them: the corpus stays as it is")
    return kept[:count]


def _tell(one: Outcome) -> None:
    memory = f"{one.third_bytes / MEBIBYTE:.1f} MiB after a third, {one.end_bytes / MEBIBYTE:.1f} MiB at the end"
    print(f"{one.name}: {one.inputs:,} inputs, {one.per_second:,.0f} a second, {memory}, {len(one.finds)} finds")
    for path in one.finds:
        print(f"  {path}: {path.read_bytes().hex()[:SHOWN]}")


if __name__ == "__main__":
    sys.exit(main())
