"""The workers of a sweep: processes on this machine, or a Dask cluster.

A lost worker affects its current run only, which is repeated a few times at most.
"""

import multiprocessing
import multiprocessing.connection
import signal
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Final

from mycelium.errors import ConfigError

from ..play.run import RunSpec
from .sweep import Result, Runner, carry_out

TRIES: Final = 3  # per run; a run that loses three workers, as by lack of memory, will lose more
RUNS_PER_WORKER: Final = 20  # before a worker is replaced, which frees the memory that its runs have left
_CONNECT_S: Final = 10

_Job = tuple[RunSpec, int]  # with the number of tries so far


class ProcessPool:
    """A pool of processes, which are spawned, not forked, so that they inherit no lock and no state."""

    __slots__ = ("_runs_per_worker", "_workers")

    def __init__(self, workers: int, *, runs_per_worker: int = RUNS_PER_WORKER) -> None:
        self._workers = workers
        self._runs_per_worker = runs_per_worker

    def results(self, runner: Runner, specs: Sequence[RunSpec]) -> Generator[Result, None, None]:
        """Yields one result for each spec, in the order in which runs end; closing the iterator ends what still runs."""
        waiting: deque[_Job] = deque((spec, 0) for spec in specs)
        busy: dict[Connection, tuple[_Worker, _Job]] = {}
        idle: list[_Worker] = []
        with ExitStack() as workers:
            while waiting or busy:
                while waiting and len(busy) < self._workers:
                    worker = idle.pop() if idle else _Worker(runner, workers, runs=self._runs_per_worker)
                    job = waiting.popleft()
                    worker.start(job[0])
                    busy[worker.connection] = worker, job
                for connection in multiprocessing.connection.wait(list(busy)):
                    assert isinstance(connection, Connection)
                    worker, job = busy.pop(connection)
                    result = worker.result()
                    if result is not None:
                        yield result
                        if worker.has_runs_left():
                            idle.append(worker)
                    elif job[1] + 1 < TRIES:
                        waiting.appendleft((job[0], job[1] + 1))
                    else:
                        yield _lost(job[0])


class _Worker:
    """A process and the pipe to it. It ends with the pool, or after `RUNS_PER_WORKER` runs."""

    __slots__ = ("_process", "_runs_left", "connection")

    def __init__(self, runner: Runner, workers: ExitStack, *, runs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, runner), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends when the process, which has the only other end, dies
        self._runs_left = runs
        workers.callback(self.stop)

    def start(self, spec: RunSpec) -> None:
        """Hands over a run. If the worker has died, that shows when its result is read."""
        self._runs_left -= 1
        try:
            self.connection.send(spec)
        except OSError:
            return

    def result(self) -> Result | None:
        """Returns the result that has arrived, None if the worker was lost."""
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            self.stop()
            return None
        assert isinstance(result, Result)
        return result

    def has_runs_left(self) -> bool:
        """Tells whether the worker can take another run; ends it otherwise."""
        if self._runs_left > 0:
            return True
        self.stop()
        return False

    def stop(self) -> None:
        """Kills the process. Further calls do nothing."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def _work(connection: Connection, runner: Runner) -> None:
    """Executes runs until the pool closes the pipe. The pool handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            connection.send(carry_out(connection.recv(), runner))
    except (EOFError, OSError):
        return


def _lost(spec: RunSpec) -> Result:
    return Result(spec, error=f"the worker was lost {TRIES} times, perhaps for lack of memory")


class DaskPool:
    """A Dask cluster, whose workers need this package."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    def results(self, runner: Runner, specs: Sequence[RunSpec]) -> Generator[Result, None, None]:
        """Yields one result for each spec, in the order in which runs end; closing the iterator cancels the others.

        Raises ConfigError where Dask is not installed or nothing answers at the address.
        """
        try:
            from distributed import Client, as_completed
        except ImportError as error:
            raise ConfigError("--scheduler needs Dask: pip install 'mycelium-mesh[dask]'") from error
        try:
            client = Client(self._address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(f"no Dask scheduler answers at {self._address}: {error}") from error
        with client:
            futures = {client.submit(carry_out, spec, runner, pure=False): spec for spec in specs}
            try:
                for future in as_completed(futures, loop=client.loop):
                    spec = futures[future]
                    yield future.result() if future.status == "finished" else _failed(spec, future.exception())
                    future.release()  # frees the result in the cluster
            finally:
                client.cancel(list(futures))


def _failed(spec: RunSpec, error: BaseException) -> Result:
    """Returns the result of a run that Dask gave up, in most cases because its workers died."""
    return Result(spec, error=f"{type(error).__name__}: {error}")
