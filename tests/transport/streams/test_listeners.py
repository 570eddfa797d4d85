"""Listening sockets on loopback: what they accept, how fast, and when they pause."""

import errno
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.streams import listeners as module
from mycelium.transport.streams.listeners import ACCEPTS_PER_POLL, BUSY_PAUSE_S, EXHAUSTED_PAUSE_S, Listeners
from mycelium.transport.streams.sockets import listen
from mycelium.transport.underlay import Underlay

NEVER = float("inf")


@pytest.fixture
def epoll() -> Iterator[select.epoll]:
    with select.epoll() as made:
        yield made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0, Underlay()) as made:
        yield made


def knock(listener: socket.socket, times: int, stack: ExitStack) -> None:
    for _ in range(times):
        stack.enter_context(socket.create_connection(listener.getsockname()))


def accepted(listeners: Listeners, listener: socket.socket, *, now: float) -> list[Endpoint]:
    remotes = []
    for stream, remote in listeners.accept(listener.fileno(), now=now):
        stream.close()
        remotes.append(remote)
    return remotes


def test_some_are_accepted_at_one_time_and_where_they_come_from_is_told(
    listener: socket.socket, epoll: select.epoll
) -> None:
    listeners = Listeners([listener], epoll, now=0.0)
    assert listener.fileno() in listeners
    assert [endpoint.port for endpoint in listeners.endpoints] == [listener.getsockname()[1]]
    with ExitStack() as clients:
        knock(listener, ACCEPTS_PER_POLL + 1, clients)
        first = accepted(listeners, listener, now=0.0)
        assert len(first) == ACCEPTS_PER_POLL
        assert {(remote.scheme, remote.host) for remote in first} == {("tcp", "127.0.0.1")}
        assert len(accepted(listeners, listener, now=0.0)) == 1
        assert accepted(listeners, listener, now=0.0) == []
    assert listeners.resume_at == NEVER


def test_too_many_make_it_pause(listener: socket.socket, epoll: select.epoll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TCP_ACCEPTED_PER_SECOND", 2)
    listeners = Listeners([listener], epoll, now=5.0)
    with ExitStack() as clients:
        knock(listener, 4, clients)
        assert len(accepted(listeners, listener, now=5.0)) == 3
        assert listeners.resume_at == 5.0 + BUSY_PAUSE_S
        assert epoll.poll(0) == []
        listeners.resume()
        assert listeners.resume_at == NEVER
        assert epoll.poll(0) == [(listener.fileno(), select.EPOLLIN)]


@pytest.mark.parametrize(("error", "pause"), [(errno.EMFILE, EXHAUSTED_PAUSE_S), (errno.ECONNABORTED, NEVER)])
def test_a_process_out_of_descriptors_waits_before_it_accepts_again(
    listener: socket.socket, epoll: select.epoll, error: int, pause: float
) -> None:
    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(listener, name)

        def accept(self) -> None:
            raise OSError(error, "accept")

    listeners = Listeners([Failing()], epoll, now=0.0)  # type: ignore[list-item]
    with ExitStack() as clients:
        knock(listener, 1, clients)
        assert accepted(listeners, listener, now=0.0) == []
        assert listeners.resume_at == pause
        assert (epoll.poll(0) == []) is (pause != NEVER)
