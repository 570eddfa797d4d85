"""No test fails because the machine was busy: what it waits for has PATIENCE_S, or nearly as long, to happen."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent
LEAST_S: Final = 20.0
MEANT_TO_PASS_S: Final = 1.0  # less is a pause, or what a test wants to see run out
ROOMS: Final = ("admin", "api", "bench", "cli", "daemon", "demo", "lab", "transport", "tun")  # with a real clock
WAITS: Final = {"wait_until": 1, "wait_for": 1, "settimeout": 0, "timeout": 0, "wait": 0, "select": 3}  # which argument


def waits(tree: ast.Module) -> Iterator[tuple[int, str, float]]:
    """Yields line, name and seconds of each call with a deadline that is a number, or a constant of the module."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        at = WAITS.get(name, len(call.args))
        given = [*call.args[at : at + 1], *(word.value for word in call.keywords if word.arg == "timeout")]
        for value in given:
            seconds = value.value if isinstance(value, ast.Constant) else constants.get(getattr(value, "id", ""))
            if isinstance(seconds, int | float) and seconds is not True and seconds is not False:
                yield call.lineno, name, seconds


def too_short(text: str) -> list[str]:
    return [
        f"line {line}: {name} has {seconds:g} s"
        for line, name, seconds in waits(ast.parse(text))
        if MEANT_TO_PASS_S <= seconds < LEAST_S
    ]


def test_what_is_waited_for_has_time() -> None:
    """In tests/netns, how soon something happens is what tests promise."""
    paths = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in ROOT.joinpath(room).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): too_short(path.read_text()) for path in paths}
    assert {name: short for name, short in found.items() if short} == {}


def test_short_deadlines_are_found() -> None:
    text = "SHORT: Final = 5.0\nwait_until(f, SHORT, '')\nudp.settimeout(2)\nasyncio.timeout(30)\nrun(timeout=3)\n"
    text += "select(r, w, x, 0.2)\n"
    assert too_short(text) == ["line 2: wait_until has 5 s", "line 3: settimeout has 2 s", "line 5: run has 3 s"]
