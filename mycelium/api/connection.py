"""One connection to the API: a request is read, bounded in time and length, answered, and the next one is waited for."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from http import HTTPStatus
from typing import Final

import h11

from mycelium import __version__
from mycelium.admin.api_address import SERVER
from mycelium.api.app import Application
from mycelium.api.connections import Connections
from mycelium.api.http import Response, answer_to, error, read_head
from mycelium.errors import HttpError
from mycelium.limits import API_BODY_BYTES, API_HEAD_BYTES

IDLE_SECONDS: Final = 15  # how long a connection may stay open without a request, or an answer unread
BODY_SECONDS: Final = 10
LINGER_SECONDS: Final = 1
LINGER_READS: Final = 16
_NAME: Final = f"{SERVER}{__version__}"


class ApiConnection(asyncio.StreamReaderProtocol):
    """Serves one connection, as a task."""

    def __init__(self, application: Application, connections: "Connections[ApiConnection]") -> None:
        self.is_answering = False  # else it waits for its caller
        self._is_streaming = False  # it sends an answer whose end nobody knows yet
        self._has_left = False  # its caller sends nothing more
        self._application = application
        self._connections = connections
        self._reader = asyncio.StreamReader(API_HEAD_BYTES)
        # A head that is not whole when it fills what may be read of it is refused.
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=API_HEAD_BYTES - 1)
        super().__init__(self._reader, self._begin)

    def close(self) -> None:
        """Ends the connection, whatever is under way."""
        self.serving.cancel()

    def abort(self) -> None:
        """Ends the connection at once, and leaves unsent what its caller does not read."""
        self._writer.transport.abort()
        self.close()

    def eof_received(self) -> bool | None:
        """Ends a stream at once: a caller that has gone is else noticed at the next write. Other answers are still wanted."""
        self._left()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Does the same after a reset. The connection has counted until now: what its caller does not read keeps it open."""
        self._connections.remove(self)
        self._left()
        super().connection_lost(exc)

    def _left(self) -> None:
        self._has_left = True
        if self._is_streaming:
            self.close()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._connections.admit(self)
        self.serving = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while await self._answer_next():
                self._http.start_next_cycle()
            await self._linger()
        except (TimeoutError, OSError):
            return  # it was idle for too long, or the caller has gone
        finally:
            self._writer.close()

    async def _answer_next(self) -> bool:
        """Answers one request; returns whether another one may follow."""
        is_bodiless = False
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                head = await self._next_event()
            if not isinstance(head, h11.Request):
                return False  # the caller has closed the connection
            self.is_answering = True
            is_bodiless = head.method == b"HEAD"
            response = await self._application.answer(read_head(head), self._read_body)
        except h11.RemoteProtocolError as wrong:
            response = error(wrong.error_status_hint, _what_is_wrong(wrong))
        except HttpError as refused:
            response = answer_to(refused)
        await self._send(response, is_bodiless=is_bodiless)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _next_event(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            begun, _ = self._http.trailing_data
            self._http.receive_data(await self._reader.read(API_HEAD_BYTES - len(begun)))
        assert isinstance(event, h11.Event)
        return event

    async def _read_body(self) -> bytes:
        body = bytearray()
        if self._http.they_are_waiting_for_100_continue:
            await self._write([h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[])])
        self.is_answering = False
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while isinstance(part := await self._next_event(), h11.Data):
                    body += part.data
                    if len(body) > API_BODY_BYTES:
                        raise HttpError(413)
        except TimeoutError:
            raise HttpError(408, "the request body did not arrive in time") from None
        except h11.RemoteProtocolError as wrong:
            raise HttpError(wrong.error_status_hint, _what_is_wrong(wrong)) from None
        except OSError:
            raise HttpError(400, "the connection broke in the middle of the request") from None
        self.is_answering = True
        return bytes(body)

    async def _linger(self) -> None:
        """Reads a little more of a refused request: else the system would reset the connection, and the answer with it."""
        self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                for _ in range(LINGER_READS):
                    if not await self._reader.read(API_HEAD_BYTES):
                        return

    async def _send(self, response: Response, *, is_bodiless: bool) -> None:
        await self._write(response.events(_NAME, is_bodiless=is_bodiless))
        if response.parts is not None and not is_bodiless:
            self.is_answering = False  # a stop of the daemon waits for no end of it
            async with contextlib.aclosing(response.parts) as parts:
                await self._stream(parts)
            await self._write([h11.EndOfMessage()])

    async def _stream(self, parts: AsyncGenerator[bytes, None]) -> None:
        self._is_streaming = True
        if self._has_left:
            raise ConnectionAbortedError
        async for part in parts:
            await self._write([h11.Data(data=part)])
        self._is_streaming = False

    async def _write(self, events: Iterable[h11.Event]) -> None:
        """Sends a part of an answer; raises TimeoutError if the caller does not read it."""
        self._connections.used(self)
        # In one call and one segment.
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        self.is_answering = False
        async with asyncio.timeout(IDLE_SECONDS):
            await self._writer.drain()


def _what_is_wrong(wrong: h11.RemoteProtocolError) -> str:
    """Returns what `h11` says of a malformed request, without the bytes that it may show."""
    return str(wrong).partition(": bytearray(")[0]
