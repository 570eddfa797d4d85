"""The changes that mutation testing makes to a module: one operator, constant, condition or statement at a time."""

import ast
from collections.abc import Callable, Iterator
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

    line: int
    before: str
    node: ast.AST
    apply: Callable[[], None]


def mutations(parent: ast.AST) -> Iterator[Mutation]:
    """Yields every change of a tree, always in the same order; annotations, decorators and `__slots__` stay."""
    for field, value in ast.iter_fields(parent):
        if field in UNTOUCHED:
            continue
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or _is_slots(node):
                continue
            if isinstance(node, ast.expr | ast.stmt):
                place = index if isinstance(value, list) else None
                for change in _replacements(node):
                    yield _mutation(parent, field, place, node, change)
            yield from mutations(node)


def _mutation(parent: ast.AST, field: str, place: int | None, node: ast.expr | ast.stmt, change: ast.AST) -> Mutation:
    new = ast.copy_location(change, node)

    def apply() -> None:
        if place is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[place] = new

    return Mutation(node.lineno, ast.unparse(node), new, apply)


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
        case ast.Return(ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
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


def mutant(source: str, number: int, filename: str) -> tuple[CodeType, str]:
    """Returns the code of a module with its change of this number made, and one line that tells where and what."""
    tree = ast.parse(source, filename)
    mutation = next(found for count, found in enumerate(mutations(tree)) if count == number)
    mutation.apply()
    ast.fix_missing_locations(tree)
    before, after = (text.splitlines()[0] for text in (mutation.before, ast.unparse(mutation.node)))
    line = source.splitlines()[mutation.line - 1].strip()
    return compile(tree, filename, "exec"), f"{filename}:{mutation.line}: {before}  ->  {after}    in: {line}"
