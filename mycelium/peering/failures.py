"""Why a peer has no link: the newest cause at each of its addresses, for its operator."""

from collections.abc import Collection

from msgspec import Struct

from mycelium.endpoint import Endpoint


class _Failure(Struct):
    cause: str
    count: int = 0  # attempts in a row that failed for this cause
    changes: int = 0  # how many other causes there were before


class Failures:
    """What went wrong with one peer since its link was up, by endpoint; None stands for the look-up of its name."""

    __slots__ = ("_by_endpoint",)

    def __init__(self) -> None:
        self._by_endpoint: dict[Endpoint | None, _Failure] = {}

    def __bool__(self) -> bool:
        return bool(self._by_endpoint)

    def causes(self) -> tuple[tuple[Endpoint | None, str], ...]:
        """Returns the newest cause at each address that was tried; None stands for the look-up."""
        return tuple((endpoint, failure.cause) for endpoint, failure in self._by_endpoint.items())

    def add(self, endpoint: Endpoint | None, cause: str) -> int:
        """Takes the cause of a failed attempt; returns how many attempts in a row it has made fail.

        Returns 0 for one that is no news, because causes alternate: of their changes only the 1st, 2nd, 4th and so on count.
        """
        failure = self._of(endpoint, cause)
        failure.count += 1
        return 0 if failure.count == 1 and failure.changes & failure.changes - 1 else failure.count

    def lost(self, endpoint: Endpoint, cause: str) -> None:
        """Takes why the link at an endpoint went down, which is no failed attempt."""
        self._of(endpoint, cause)

    def keep(self, endpoints: Collection[Endpoint]) -> None:
        """Forgets what is said of a failed look-up, and of endpoints that the name has no more."""
        self._by_endpoint = {
            endpoint: failure for endpoint, failure in self._by_endpoint.items() if endpoint in endpoints
        }

    def clear(self) -> None:
        """Forgets everything: the link is up."""
        self._by_endpoint.clear()

    def _of(self, endpoint: Endpoint | None, cause: str) -> _Failure:
        failure = self._by_endpoint.get(endpoint)
        if failure is None or failure.cause != cause:
            failure = _Failure(cause, changes=0 if failure is None else failure.changes + 1)
            self._by_endpoint[endpoint] = failure
        return failure
