import json
import logging
import os
import re
import time
from collections.abc import Iterator

import pytest

from mycelium.admin import logs
from mycelium.admin.checks import LOG_FORMATS
from mycelium.admin.log_flood import QUIET_S, BoundedHandler
from mycelium.limits import LOG_LINES_OF_SUBJECT_AT_ONCE


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger(logs.ROOT).setLevel(logging.NOTSET)


class Stderr:
    """All that was written to standard error during the test."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capfd.readouterr().err
        return self._text


@pytest.fixture
def stream(capfd: pytest.CaptureFixture[str]) -> Stderr:
    return Stderr(capfd)


def test_there_is_a_format_for_each_name_the_settings_take(stream: Stderr) -> None:
    for log_format in LOG_FORMATS:
        logs.configure(False, log_format)
        logging.getLogger("mycelium.x").info("peer %s is up", "udp://a:1")
    assert stream.getvalue().count("udp://a:1") == len(LOG_FORMATS)


def test_compact_lines_have_time_level_and_message_and_in_a_file_the_date(
    stream: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    logs.configure()
    logging.getLogger("mycelium.x").warning("odd")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARNING odd\n", stream.getvalue())


def lead_to_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")


@pytest.mark.parametrize("log_format", ["compact", "journald"])
def test_lines_for_the_journal_say_how_important_each_is_and_leave_the_time_to_it(
    stream: Stderr, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    lead_to_journal(monkeypatch)
    logs.configure(True, log_format)
    logger = logging.getLogger("mycelium.x")
    for log in (logger.debug, logger.info, logger.warning, logger.error, logger.critical):
        log("odd")
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("failed")
    lines = stream.getvalue().splitlines()
    assert lines[:6] == ["<7>odd", "<6>odd", "<4>odd", "<3>odd", "<3>odd", "<3>failed"]
    assert all(line.startswith("<3>") for line in lines[6:])
    assert lines[-1] == "<3>ValueError: broken"


def test_what_leads_elsewhere_than_to_the_journal_has_dates(stream: Stderr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")  # that of a shell in a service, say
    logs.configure()
    logging.getLogger("mycelium.x").warning("odd")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d WARNING odd\n", stream.getvalue())


def test_what_programs_read_has_the_fields_of_an_event(stream: Stderr) -> None:
    event = {"event": "link-down", "node": "400::1", "cause": "silent", "silentS": 0.2, "names": {"400::1": "berlin"}}
    logs.configure(False, "json")
    logging.getLogger("mycelium.x").info("link down: berlin", extra={"event": event})
    assert event.items() <= json.loads(stream.getvalue()).items()
    logs.configure(False, "logfmt")
    logging.getLogger("mycelium.x").info("link down: berlin", extra={"event": event})
    assert ' message="link down: berlin" event=link-down node=400::1 cause=silent silentS=0.2' in stream.getvalue()


def test_json_lines_are_objects(stream: Stderr) -> None:
    logs.configure(False, "json")
    logging.getLogger("mycelium.x").info('a "quoted"\nmessage')
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "target": "mycelium.x", "message": 'a "quoted"\nmessage'}


def test_logfmt_quotes_what_needs_it_and_keeps_one_line(stream: Stderr) -> None:
    logs.configure(False, "logfmt")
    logging.getLogger("mycelium.x").info("two\nlines=2")
    assert stream.getvalue().endswith(' level=info target=mycelium.x message="two\\nlines=2"\n')
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("log_format", ["json", "logfmt"])
def test_an_exception_stays_on_its_line(stream: Stderr, log_format: str) -> None:
    logs.configure(False, log_format)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("mycelium.x").exception("failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: broken" in stream.getvalue()


@pytest.mark.parametrize(
    ("debug", "silent", "shown"),
    [(False, False, "iwe"), (True, False, "diwe"), (False, True, "e"), (True, True, "diwe")],
)
def test_debug_adds_and_silent_leaves_errors_only(stream: Stderr, debug: bool, silent: bool, shown: str) -> None:
    logs.configure(debug, "json", silent=silent)
    logger = logging.getLogger("mycelium.x")
    for log, letter in ((logger.debug, "d"), (logger.info, "i"), (logger.warning, "w"), (logger.error, "e")):
        log(letter)
    assert "".join(json.loads(line)["message"] for line in stream.getvalue().splitlines()) == shown


def test_a_line_names_only_the_first_of_many_things() -> None:
    names = [f"n{number}" for number in range(10)]
    assert logs.listed([]) == ""
    assert logs.listed(names[:8]) == "n0, n1, n2, n3, n4, n5, n6, n7"
    assert logs.listed(names) == "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more"


def test_other_libraries_are_heard_from_warnings_on(stream: Stderr) -> None:
    logs.configure(True)
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("trouble")
    assert stream.getvalue().endswith("trouble\n")
    assert "chatter" not in stream.getvalue()


def test_what_the_log_held_back_is_told_once_that_has_ended(stream: Stderr, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure()
    [handler] = logging.getLogger().handlers
    assert isinstance(handler, BoundedHandler)
    for _ in range(100):
        logging.getLogger("mycelium.x").info("a line")
    logs.tell_held_back()
    assert "more like it" not in stream.getvalue()
    monkeypatch.setattr(handler, "_clock", lambda: time.monotonic() + QUIET_S)
    logs.tell_held_back()
    assert stream.getvalue().endswith(f"a line (and {100 - LOG_LINES_OF_SUBJECT_AT_ONCE - 1} more like it)\n")


def test_what_was_held_back_is_told_before_new_settings_apply(stream: Stderr) -> None:
    logs.configure()
    for _ in range(100):
        logging.getLogger("mycelium.x").info("a line")
    logs.configure(log_format="logfmt")
    assert "more like it" in stream.getvalue()
