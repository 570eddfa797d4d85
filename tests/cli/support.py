"""A daemon's API in a thread of its own, for command lines that are run in the test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mycelium.admin.api_address import ApiAddress
from tests.api.support import FakeNode, serving


@contextmanager
def served(node: FakeNode, address: ApiAddress, *, token: str | None = None) -> Iterator[ApiAddress]:
    """Serves `node` until left; yields the address with the port that the kernel chose."""
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    started: list[ApiAddress] = []
    ready = threading.Event()

    async def serve() -> None:
        async with serving(node, address, token=token) as server:
            started.append(server.address)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()
