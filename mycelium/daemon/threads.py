"""Runs what may wait long for the outside world in a thread of its own, which nothing waits for, not even the end.

asyncio's executor has few threads, so that some names which hang would hold up all others, and is waited for at the end.
"""

import asyncio
import concurrent.futures
import contextlib
import errno
import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Returns what `work` returns, or raises what it raises. A thread whose caller was cancelled goes on, unheard.

    Raises OSError where no further thread can be had.
    """
    answer: concurrent.futures.Future[_Result] = concurrent.futures.Future()

    def run() -> None:
        with contextlib.suppress(
            concurrent.futures.InvalidStateError, RuntimeError
        ):  # nobody waits, or the loop is closed
            try:
                result = work()
            except Exception as error:
                answer.set_exception(error)
            else:
                answer.set_result(result)

    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError as error:  # of the limit on tasks
        raise OSError(errno.EAGAIN, "this host has no thread left for it") from error
    return await asyncio.wrap_future(answer)
