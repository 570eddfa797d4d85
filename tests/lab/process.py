"""What a process has used, as /proc tells."""

import os
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_of(pid: int) -> int:
    """Returns the number of the processor on which a process runs, or ran last."""
    return int(_fields(pid)[36])


def _fields(pid: int) -> list[str]:
    """Returns what proc(5) numbers from 3 on: the fields behind the name, in which anything may stand."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def rss_bytes(pid: int) -> int:
    """Returns the memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def description(pid: int) -> str:
    """Returns what a process is doing: its command and its processor time, and where each thread stands in the kernel.

    What it is too late for, as the process or a thread has ended, or what is not allowed, is left out.
    """
    place = Path(f"/proc/{pid}")
    command = _read(place / "cmdline").replace("\0", " ").strip()
    lines = [f"process {pid}: {command or 'ended'}"]
    fields = _read(place / "stat").rpartition(")")[2].split()
    if fields:
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        lines.append(f"started {age_s:.1f} s ago, {cpu_seconds(pid):.2f} s of processor time")
    for thread in sorted(place.glob("task/*")):
        name, state = _read(thread / "comm").strip(), _read(thread / "stat").rpartition(")")[2][1:2]
        calls = " < ".join(line.split()[-1] for line in _read(thread / "stack").splitlines())
        lines.append(f"thread {thread.name} ({name}), state {state}: {calls or 'not in the kernel'}")
    return "\n".join(lines)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
