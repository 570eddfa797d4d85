"""Where the runs of a sweep are carried out: processes of this machine, or a Dask cluster.

Either way a worker that is lost takes only its own run with it, and that run is tried again, a few times at most.
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
from sim.play.run import RunSpec
from sim.sweep.sweep import Result, Runner, carry_out

TRIES: Final = 3  # of a run whose worker is lost; whoever runs out of memory thrice will do so again
RUNS_PER_WORKER: Final = 20  # then a fresh one takes over: what earlier runs left in memory goes with the old
_CONNECT_S: Final = 10

_Job = tuple[RunSpec, int]  # and how often it was tried


class ProcessPool:
    """Runs on `workers` processes, spawned rather than forked: they inherit no lock and no state."""

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
    """One process and the pipe to it; it ends with the pool, or when it has had its share of runs."""

    __slots__ = ("_process", "_runs_left", "connection")

    def __init__(self, runner: Runner, workers: ExitStack, *, runs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, runner), daemon=True)
        self._process.start()
        theirs.close()  # the only other end is the process's own, so that its death is the end of the pipe
        self._runs_left = runs
        workers.callback(self.stop)

    def start(self, spec: RunSpec) -> None:
        """Hands over a run; a worker that is gone already shows when its result is asked for."""
        self._runs_left -= 1
        try:
            self.connection.send(spec)
        except OSError:
            return

    def result(self) -> Result | None:
        """Returns the result that has come, None where the worker is lost."""
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            self.stop()
            return None
        assert isinstance(result, Result)
        return result

    def has_runs_left(self) -> bool:
        """Tells whether it takes another run; if not it is sent home."""
        if self._runs_left > 0:
            return True
        self.stop()
        return False

    def stop(self) -> None:
        """Ends the process, whatever it does; more than once is no harm."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def _work(connection: Connection, runner: Runner) -> None:
    """Carries out runs until the pool closes the pipe; Ctrl-C is the pool's to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            connection.send(carry_out(connection.recv(), runner))
    except (EOFError, OSError):
        return


def _lost(spec: RunSpec) -> Result:
    return Result(spec, error=f"its worker was lost {TRIES} times; out of memory?")


class DaskPool:
    """Runs on a Dask cluster, whose workers need this package installed."""

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
                    future.release()  # else the cluster keeps the result to the end
            finally:
                client.cancel(list(futures))


def _failed(spec: RunSpec, error: BaseException) -> Result:
    """Makes a result of what Dask says of a run that it gave up: most often that its workers died."""
    return Result(spec, error=f"{type(error).__name__}: {error}")
