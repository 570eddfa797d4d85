import ast
from pathlib import Path

import pytest

from tests.mutate.mutations import mutant, mutations


def changed(source: str) -> list[str]:
    """Returns every mutant of some lines of code, as code."""
    texts = []
    for number, _ in enumerate(mutations(ast.parse(source))):
        tree = ast.parse(source)
        list(mutations(tree))[number].apply()
        texts.append(ast.unparse(tree))
    return texts


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("a < b", ["a <= b"]),
        ("a is not b", ["a is b"]),
        ("a + b", ["a - b"]),
        ("a and b", ["a or b"]),
        ("not a", ["a"]),
        ("x = 5", ["x = 6", "x = 0"]),
        ("x = 0.0", ["x = 1"]),
        ("x = True", ["x = False"]),
        ("min(a, b)", ["pass", "max(a, b)"]),
        ("x = a if b else c", ["x = c if b else a"]),
        ("self.x = y", ["pass"]),
        ("x += y", ["pass", "x -= y"]),
        ("raise E", ["pass"]),
        ("if a:\n    b", ["if not a:\n    b"]),
        ("for a in b:\n    break", ["for a in b:\n    continue"]),
        ("def f() -> int:\n    return a", ["def f() -> int:\n    return None"]),
        ("x: Literal[3] = y", []),
        ("__slots__ = ('a', 'b')", []),
        ("'text'", []),
    ],
)
def test_one_thing_is_changed_at_a_time(source: str, mutants: list[str]) -> None:
    assert changed(source) == mutants


def test_a_mutant_is_told_by_its_line_and_runs_changed() -> None:
    source = "a = 1\nb = a < 1\n"
    found = [mutant(source, number, "some.py") for number, _ in enumerate(mutations(ast.parse(source)))]
    namespace: dict[str, object] = {}
    [code] = [code for code, text in found if text == "some.py:2: a < 1  ->  a <= 1    in: b = a < 1"]
    exec(code, namespace)
    assert namespace["b"] is True


def test_every_mutant_of_a_real_module_compiles() -> None:
    source = Path(ast.__file__).read_text()
    for number in range(0, sum(1 for _ in mutations(ast.parse(source))), 100):
        mutant(source, number, "ast.py")
