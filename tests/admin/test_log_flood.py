"""What the log can grow by: a few lines a minute for each topic and each subject, with the number of the others."""

import errno
import io
import logging
from collections.abc import Callable, Iterator

import pytest

from mycelium.admin.log_flood import QUIET_S, BoundedHandler
from mycelium.limits import (
    LOG_KEYS,
    LOG_LINES_AT_ONCE,
    LOG_LINES_OF_SUBJECT_AT_ONCE,
    LOG_LINES_OF_SUBJECT_PER_MINUTE,
    LOG_LINES_PER_MINUTE,
    LOG_TRACEBACKS_AT_ONCE,
)

MINUTES = 10


class Log:
    """A logger whose handler writes where the test reads, with a clock of the test's."""

    def __init__(self) -> None:
        self.now = 100.0
        self.handler = BoundedHandler(clock=lambda: self.now)
        self.written = io.StringIO()
        self.handler.setStream(self.written)
        self.logger = logging.Logger("flooded")
        self.logger.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self.written.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.handler.close()


def test_one_subject_writes_a_few_lines_a_minute_and_the_rest_is_counted(log: Log) -> None:
    for _ in range(MINUTES * 600):
        log.logger.warning("the device %s failed", "mesh0")
        log.now += 0.1
    written = len(log.lines)
    assert written <= LOG_LINES_OF_SUBJECT_AT_ONCE + MINUTES * LOG_LINES_OF_SUBJECT_PER_MINUTE + 1
    log.handler.close()
    told = [int(line.split("(and ")[1].split()[0].replace(",", "")) for line in log.lines if "more like it" in line]
    assert len(log.lines) + sum(told) == MINUTES * 600


def test_many_subjects_share_what_their_topic_may_write(log: Log) -> None:
    for number in range(MINUTES * 600):
        log.logger.info("link up: %s", f"stranger {number}")
        log.now += 0.1
    assert len(log.lines) <= LOG_LINES_AT_ONCE + MINUTES * LOG_LINES_PER_MINUTE + 1
    assert "1 more like it" not in log.lines[0]


def test_one_subject_that_floods_holds_back_no_other(log: Log) -> None:
    for name in ["mesh0"] * 1_000 + ["mesh1"]:
        log.logger.warning("the device %s failed", name)
    log.logger.warning("something else")
    held = 1_000 - LOG_LINES_OF_SUBJECT_AT_ONCE
    assert log.lines[-2:] == [f"the device mesh1 failed (and {held} more like it)", "something else"]


def test_a_flood_that_ends_is_told_with_its_newest_line(log: Log) -> None:
    for number in range(1, 2_001):
        log.logger.warning("attempt %d", number, extra={"subject": "attempts"})
    log.handler.tell_held_back()
    assert log.lines[-1] == f"attempt {LOG_LINES_OF_SUBJECT_AT_ONCE}"
    log.now += QUIET_S
    for _ in range(2):
        log.handler.tell_held_back()
    assert log.lines[LOG_LINES_OF_SUBJECT_AT_ONCE:] == ["attempt 2000 (and 1,994 more like it)"]


def test_topic_and_subject_may_be_named(log: Log) -> None:
    for number in range(100):
        log.logger.info(
            "%s", f"text {number}", extra={"topic": ("link-up", "link-down")[number % 2], "subject": b"one"}
        )
    assert len(log.lines) == 2 * LOG_LINES_OF_SUBJECT_AT_ONCE


def test_tracebacks_are_bounded_by_where_they_come_from_whatever_they_say(log: Log) -> None:
    def fail(number: int) -> None:
        raise ValueError(number)

    def other(number: int) -> None:
        raise OSError(number)

    for number in range(1_000):
        for action in (fail, other):
            try:
                action(number)
            except Exception as error:
                log.logger.error(f"Exception in callback {number}", exc_info=error)
    text = log.written.getvalue()
    assert text.count("Traceback") == 2 * LOG_TRACEBACKS_AT_ONCE
    assert text.count("ValueError: ") == text.count("OSError: ") == LOG_TRACEBACKS_AT_ONCE
    assert all(topic.newest is None or topic.newest.exc_info is None for topic in log.handler._topics.values())


def test_the_table_of_topics_is_bounded_and_what_leaves_it_is_told(log: Log) -> None:
    for number in range(3 * LOG_KEYS):
        for _ in range(LOG_LINES_OF_SUBJECT_AT_ONCE + 2):
            log.logger.info("line", extra={"topic": number})
    assert len(log.handler._topics) == LOG_KEYS
    assert log.lines.count("line (and 1 more like it)") == 2 * LOG_KEYS


def failing(error: Exception) -> Callable[[str], int]:
    def write(_: str) -> int:
        raise error

    return write


def test_what_a_full_disk_did_not_take_is_counted_and_told(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    full = io.StringIO()
    full.write = failing(OSError(errno.ENOSPC, "No space left on device"))  # type: ignore[method-assign]
    log.handler.setStream(full)
    for number in range(4):
        log.logger.info("line %d", number)
    log.handler.setStream(log.written)
    log.logger.info("there is room again")
    log.logger.info("and still")
    assert log.lines == ["there is room again (4 lines could not be written)", "and still"]
    assert capsys.readouterr().err == ""


def test_a_mistake_in_a_log_call_is_no_full_disk(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log.logger.info("%d", "no number")
    assert "Logging error" in capsys.readouterr().err
