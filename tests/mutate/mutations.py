"""The changes that mutation testing makes to a module: one operator, constant, condition or statement at a time."""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from types import CodeType
from typing import Final, NamedTuple

SWAPS: Final[dict[type[ast.AST], type[ast.AST]]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}
UNTOUCHED: Final = ("annotation", "returns", "decorator_list", "type_params")
NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutation(NamedTuple):
    """One change: where, what was there, and how to make it in the tree that it was found in."""

    function: str  # qualified name of the outermost function around it, empty at the level of a module or class
    line: int
    lines: frozenset[int]  # which run when what was changed runs
    before: str
    node: ast.AST
    apply: Callable[[], None]

    def change(self, source: str) -> str:
        """Tells the change without its line number, so that it can be found again in a later version of the file."""
        before, after = (text.splitlines()[0] for text in (self.before, ast.unparse(self.node)))
        return f"{before} -> {after}  in: {source.splitlines()[self.line - 1].strip()}"


class _Place(NamedTuple):
    scope: str = ""
    function: str = ""
    lines: frozenset[int] = frozenset()

    def within(self, parent: ast.AST, field: str) -> "_Place":
        """Returns the place of the nodes in a field of a node that stands at this place."""
        scope, function, lines = self
        if isinstance(parent, ast.ClassDef):
            scope += f"{parent.name}."
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef) and field == "body":
            function = function or scope + parent.name
        return _Place(scope, function, _head(parent) if isinstance(parent, ast.stmt) else lines)


TOP: Final = _Place()


def mutations(parent: ast.AST, place: _Place = TOP) -> Iterator[Mutation]:
    """Yields every change of a tree, always in the same order; annotations, decorators and `__slots__` stay."""
    for field, value in ast.iter_fields(parent):
        if field in UNTOUCHED:
            continue
        inside = place.within(parent, field)
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or _is_slots(node):
                continue
            if isinstance(node, ast.expr | ast.stmt):
                position = index if isinstance(value, list) else None
                for new in _replacements(node):
                    ast.copy_location(new, node)
                    apply = partial(_replace, parent, field, position, new)
                    lines = _head(node) if isinstance(node, ast.stmt) else inside.lines | _head(node)
                    yield Mutation(inside.function, node.lineno, lines, ast.unparse(node), new, apply)
            yield from mutations(node, inside)


def _head(node: ast.expr | ast.stmt) -> frozenset[int]:
    """Returns the lines of an expression or statement, without those of the statements inside it."""
    last = node.end_lineno or node.lineno
    if isinstance(node, ast.Match):
        last = node.subject.end_lineno or last
    elif isinstance(node, ast.stmt) and (body := getattr(node, "body", None)):
        last = max(node.lineno, body[0].lineno - 1)
    return frozenset(range(node.lineno, last + 1))


def _replace(parent: ast.AST, field: str, position: int | None, new: ast.AST) -> None:
    if position is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[position] = new


def _is_slots(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__slots__"


def _replacements(node: ast.expr | ast.stmt) -> Iterator[ast.AST]:
    """Yields what may stand in place of a node."""
    return _expressions(node) if isinstance(node, ast.expr) else _statements(node)


def _expressions(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, [operator, *others], comparators):
            yield ast.Compare(left, [SWAPS[type(operator)](), *others], comparators)  # type: ignore[list-item]
        case ast.BinOp(left, operator, right) if type(operator) in SWAPS:
            yield ast.BinOp(left, SWAPS[type(operator)](), right)  # type: ignore[arg-type]
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(SWAPS[type(operator)](), values)  # type: ignore[arg-type]
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from map(ast.Constant, (value + 1, 0) if value else (1,))
        case ast.Name(name) if name in NAMES:
            yield ast.Name(NAMES[name], ast.Load())
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(ast.expr() as value) if not (
            isinstance(value, ast.Constant) and value.value in (None, True, False)
        ):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.AugAssign(target, operator, value):
            yield ast.Pass()
            if type(operator) in SWAPS:
                yield ast.AugAssign(target, SWAPS[type(operator)](), value)  # type: ignore[arg-type]
        case ast.Expr(ast.Call()) | ast.Delete() | ast.Raise() | ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def mutant(source: str, number: int, filename: str) -> CodeType:
    """Returns the code of a module with its change of this number made."""
    tree = ast.parse(source, filename)
    next(islice(mutations(tree), number, None)).apply()
    return compile(ast.fix_missing_locations(tree), filename, "exec")
