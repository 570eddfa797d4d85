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


def test_a_mutant_is_told_by_its_function_and_line_and_runs_changed() -> None:
    source = "class A:\n    def f(self, a=1):\n        if a:\n            return a < 1\n"
    [(number, found)] = [
        (number, found) for number, found in enumerate(mutations(ast.parse(source))) if found.before == "a < 1"
    ]
    assert (found.function, found.line, found.lines) == ("A.f", 4, frozenset({4}))
    assert found.change(source) == "a < 1 -> a <= 1  in: return a < 1"
    namespace: dict[str, type] = {}
    exec(mutant(source, number, "some.py"), namespace)
    assert namespace["A"]().f() is True


def test_what_runs_when_a_module_is_imported_is_in_no_function() -> None:
    found = mutations(ast.parse("A = 1\nclass B:\n    c = 2\n    def f(self, d=3): pass\n"))
    assert {mutation.function for mutation in found} == {""}


def test_every_mutant_of_a_real_module_compiles() -> None:
    source = Path(ast.__file__).read_text()
    for number in range(0, sum(1 for _ in mutations(ast.parse(source))), 100):
        mutant(source, number, "ast.py")
