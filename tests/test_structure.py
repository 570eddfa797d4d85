"""Rules of the house that a parser can check, without exceptions."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("mycelium/**/*.py"), *ROOT.glob("sim/**/*.py")])
TESTS = sorted(ROOT.glob("tests/**/*.py"))
SUPPORT = [path for path in TESTS if not path.name.startswith("test_")]
FILE_LINES = 400
FUNCTION_LINES = 50

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions_of(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def has_time_by_position(path: Path) -> bool:
    return any(
        argument.arg == "now"
        for function in functions_of(path)
        for argument in function.args.posonlyargs + function.args.args
    )


def is_tested(path: Path) -> bool:
    """Tells whether tests/ has a file of the module's name where the module's folder is mirrored."""
    folder = path.parent.relative_to(ROOT / "mycelium" if path.is_relative_to(ROOT / "mycelium") else ROOT)
    return (ROOT / "tests" / folder / f"test_{path.name}").exists()


def long_functions(path: Path) -> list[str]:
    return [
        f"{name_of(path)}:{function.name}"
        for function in functions_of(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES
    ]


def classes() -> dict[str, list[str]]:
    """Returns where each class is defined, by its name."""
    found = defaultdict(list)
    for path in MODULES + SUPPORT:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name_of(path))
    return found


def fixed_examples(source: str) -> list[int]:
    """Returns the lines that give a number of examples that no profile changes."""
    keywords = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.keyword)]
    return [
        keyword.value.lineno
        for keyword in keywords
        if keyword.arg == "max_examples" and not ast.unparse(keyword.value).startswith("examples(")
    ]


def test_the_time_is_always_a_keyword() -> None:
    assert [name_of(path) for path in MODULES if has_time_by_position(path)] == []


def test_files_and_functions_are_short() -> None:
    assert [name_of(path) for path in MODULES if len(path.read_text().splitlines()) > FILE_LINES] == []
    assert [function for path in MODULES for function in long_functions(path)] == []


def test_each_module_has_a_test_of_its_name() -> None:
    modules = [path for path in MODULES if path.name != "__init__.py" and path.stat().st_size]
    assert [name_of(path) for path in modules if not is_tested(path)] == []


def test_no_class_name_means_two_things() -> None:
    assert {name: places for name, places in classes().items() if len(places) > 1} == {}


def test_numbers_of_examples_grow_with_the_profile() -> None:
    sources = {name_of(path): path.read_text() for path in TESTS if path != ROOT / "tests" / "conftest.py"}
    found = {name: fixed_examples(source) for name, source in sources.items() if "max_examples" in source}
    assert {name: lines for name, lines in found.items() if lines} == {}
