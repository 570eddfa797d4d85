"""One connection to the API: a request is read, bounded in time and length, answered, and the next one is waited for."""

import asyncio
from typing import Final

from mycelium import __version__
from mycelium.admin.api_address import SERVER
from mycelium.api.app import Application
from mycelium.api.http import END_OF_HEAD, error, read_head
from mycelium.errors import HttpError
from mycelium.limits import API_HEAD_BYTES

IDLE_SECONDS: Final = 15  # how long a connection may stay open without a request, or an answer unread
BODY_SECONDS: Final = 10
_NAME: Final = f"{SERVER}{__version__}"


class ApiConnection(asyncio.StreamReaderProtocol):
    """Serves one connection, as a task."""

    def __init__(self, application: Application, connections: "set[ApiConnection]") -> None:
        self.is_answering = False
        self._application = application
        self._connections = connections
        self._reader = asyncio.StreamReader(API_HEAD_BYTES)
        super().__init__(self._reader, self._begin)

    def close(self) -> None:
        """Ends the connection, whatever is under way."""
        self.serving.cancel()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._connections.add(self)
        self.serving = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while await self._answer_next():
                pass
        except (TimeoutError, EOFError, OSError):
            return  # it was idle for too long, or the caller has gone
        finally:
            self._connections.discard(self)
            self._writer.close()

    async def _answer_next(self) -> bool:
        """Answers one request; returns whether another one may follow."""
        request = None
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                head = await self._reader.readuntil(END_OF_HEAD)
            self.is_answering = True
            request = read_head(head)
            response = await self._application.answer(request, self._read_body)
        except asyncio.LimitOverrunError:
            response = error(431)
        except HttpError as refused:
            response = error(refused.status, str(refused))
        is_kept = request is not None and request.is_kept and response.status < 400
        is_bodiless = request is not None and request.method == "HEAD"
        self._writer.write(response.encode(server=_NAME, is_kept=is_kept, is_bodiless=is_bodiless))
        async with asyncio.timeout(IDLE_SECONDS):
            await self._writer.drain()
        self.is_answering = False
        return is_kept

    async def _read_body(self, length: int) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._reader.readexactly(length)
        except TimeoutError:
            raise HttpError(408, "the request body did not arrive in time") from None
