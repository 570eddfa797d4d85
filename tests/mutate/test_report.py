import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.mutate.accepted import FILE, accepted
from tests.mutate.report import MutantReport
from tests.mutate.runner import ROOT, Mutant, mutants

MODULE = next(iter(tomllib.loads(FILE.read_text())))
ALL = mutants(ROOT / MODULE)


def told(report: MutantReport, survivors: set[str]) -> Iterator[Mutant]:
    """Tells a report what became of each mutant of the module, and yields the mutant after it."""
    for mutant in ALL:
        report.tried(mutant, mutant.name in survivors)
        yield mutant


def a_report(only: str = "") -> MutantReport:
    return MutantReport({ROOT / MODULE: ALL}, lambda function: not only or function == only)


def test_accepted_survivors_are_counted_only(capsys: pytest.CaptureFixture[str]) -> None:
    report = a_report()
    assert len(list(told(report, {*accepted(MODULE)}))) == len(ALL)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{MODULE}: {len(ALL)} mutants, ")
    assert line.endswith(" survivors explained, 0 unexplained")
    assert report.ok


def test_an_unexplained_survivor_is_printed_before_the_next_mutant_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    report = a_report()
    survivor = next(mutant for mutant in ALL if mutant.name not in accepted(MODULE))
    for mutant in told(report, {*accepted(MODULE), survivor.name}):
        printed = capsys.readouterr().out
        if mutant == survivor:
            assert printed == f"{MODULE}:{survivor.mutation.line}: {survivor.name}\n"
    assert printed.endswith(" 1 unexplained\n")
    assert not report.ok


def test_an_accepted_mutant_that_a_test_notices_is_said_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    report = a_report()
    noticed, *others = accepted(MODULE)
    list(told(report, {*others}))
    assert (
        capsys.readouterr().out.splitlines()[0]
        == f"{MODULE}: accepted, but noticed by a test, or no longer there: {noticed}"
    )
    assert not report.ok


def test_accepted_mutants_of_functions_that_nobody_asked_for_are_not_missed(capsys: pytest.CaptureFixture[str]) -> None:
    report = a_report(only="another")
    list(told(report, set()))
    assert report.ok
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_how_far_the_run_is_is_told_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_report().tried(ALL[0], False)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    a_report().tried(ALL[0], False)
    assert capsys.readouterr() == ("", f"\x1b[K{MODULE}: 1 of {len(ALL)} mutants\r")
