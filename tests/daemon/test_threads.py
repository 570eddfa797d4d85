"""Work in threads: its result or error comes back, and nobody has to wait for one that hangs."""

import asyncio
import threading

import pytest

from mycelium.daemon.threads import in_thread


def test_what_the_work_returns_or_raises_comes_back() -> None:
    assert asyncio.run(in_thread(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


def test_a_host_without_a_thread_left_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="this host has no thread left for it"):
        asyncio.run(in_thread(lambda: 7))


def test_many_that_hang_hold_up_neither_another_one_nor_the_end() -> None:
    released = threading.Event()
    hanging = 200  # far more than the threads of asyncio's executor
    others = set(threading.enumerate())  # what other tests have left hanging

    async def start_all() -> int:
        waiting = [asyncio.ensure_future(in_thread(released.wait)) for _ in range(hanging)]
        await asyncio.sleep(0)
        answer = await in_thread(lambda: 7)
        assert not any(one.done() for one in waiting)
        return answer

    assert asyncio.run(asyncio.wait_for(start_all(), 30)) == 7
    ours = [thread for thread in set(threading.enumerate()) - others if thread.name.endswith("(run)")]
    assert len(ours) == hanging
    released.set()
    for thread in ours:
        thread.join(30)
