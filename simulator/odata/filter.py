"""Turns a parsed `$filter` into one closure over rows, checking names, kinds and the server's limits.

Text is compared without regard to case, as the SQL Server collation behind Orchestrator does.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.odata.model import EDM, Entity, Get, Kind, ODataError, Row
from simulator.odata.syntax import Call, Compare, In, Literal, Logic, Node, Path

MAX_EXPRESSIONS = 100
MAX_NAVIGATION = 16
Predicate = Callable[[Row], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_NUMBERS = ("int", "number")


@dataclass(frozen=True, slots=True)
class _Operand:
    kind: Kind
    get: Get
    constant: bool = False
    members: tuple[str, ...] = ()


def compile_filter(node: Node, entity: Entity) -> Predicate:
    """A predicate for rows of `entity`; raises ODataError for unknown names, wrong kinds, too many terms."""
    _check_size(node)
    return _predicate(node, entity)


def _check_size(node: Node) -> None:
    terms = list(_terms(node))
    if len(terms) > MAX_EXPRESSIONS:
        raise ODataError(
            f"Invalid OData query options. The node count limit of '{MAX_EXPRESSIONS}' is exceeded."
        )
    links = sum(1 for term in terms if any(len(path.parts) > 1 for path in _paths(term)))
    if links > MAX_NAVIGATION:
        raise ODataError(
            f"Invalid OData query options. {links} terms use navigation properties (limit {MAX_NAVIGATION})."
        )


def _terms(node: Node) -> list[Node]:
    if isinstance(node, Logic):
        return [term for item in node.items for term in _terms(item)]
    return [node]


def _paths(node: Node) -> list[Path]:
    match node:
        case Path():
            return [node]
        case Compare(_, left, right):
            return _paths(left) + _paths(right)
        case In(left, _):
            return _paths(left)
        case Call(_, args):
            return [path for arg in args for path in _paths(arg)]
    return []


def _predicate(node: Node, entity: Entity) -> Predicate:
    match node:
        case Logic(op, items):
            return _logic(op, [_predicate(item, entity) for item in items])
        case Compare(op, left, right):
            return _compare(op, _operand(left, entity), _operand(right, entity))
        case In(left, values):
            return _in(_operand(left, entity), values)
    found = _operand(node, entity)
    if found.kind != "bool":
        raise ODataError(
            "Invalid OData query options. The filter expression must evaluate to a single boolean value."
        )
    return lambda row: found.get(row) is True


def _logic(op: str, items: list[Predicate]) -> Predicate:
    if op == "not":
        (only,) = items
        return lambda row: not only(row)
    if op == "and":
        return lambda row: all(item(row) for item in items)
    return lambda row: any(item(row) for item in items)


def _compare(op: str, left: _Operand, right: _Operand) -> Predicate:
    if left.constant and not right.constant:
        op = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}.get(op, op)
        left, right = right, left
    read, value = left.get, _coerced(left, right, op)
    if op == "eq":
        return lambda row: bool(read(row) == value(row))
    if op == "ne":
        return lambda row: bool(read(row) != value(row))
    test = _ORDER[op]
    if left.kind == "enum":
        read, value = _ranked(left, read), _ranked(left, value)
    return lambda row: (a := read(row)) is not None and (b := value(row)) is not None and test(a, b)


def _ranked(enum: _Operand, get: Get) -> Get:
    """An enum's member as its number: that is what orders them."""
    numbers = {name.lower(): number for number, name in enumerate(enum.members)}
    return lambda row: numbers.get(get(row))


def _in(left: _Operand, values: tuple[Literal, ...]) -> Predicate:
    wanted = {_coerced(left, _constant(value), "in")(None) for value in values}
    return lambda row: left.get(row) in wanted


def _coerced(left: _Operand, right: _Operand, op: str) -> Get:
    """The right side in the left side's comparable form, or a refusal of the pair."""
    kinds = (left.kind, right.kind)
    if right.kind == "null" or left.kind in ("null", right.kind) or set(kinds) <= set(_NUMBERS):
        return right.get
    if left.kind == "guid" and right.kind == "text":
        return right.get  # both spellings are taken: Key eq … and Key eq '…'
    if left.kind == "enum" and right.constant and right.kind in ("text", "int"):
        return _member(left, right.get(None))
    raise ODataError(
        "Invalid OData query options. A binary operator with incompatible types was detected. "
        f"Found operand types '{EDM[left.kind]}' and '{EDM[right.kind]}' for operator kind '{op}'."
    )


def _member(left: _Operand, value: Any) -> Get:
    """An enum member by name, or by number as text, as old clients send it."""
    names = {name.lower(): name.lower() for name in left.members}
    numbers = {str(index): name.lower() for index, name in enumerate(left.members)}
    found = names.get(str(value)) or numbers.get(str(value))
    if found is None and left.members:
        raise ODataError(
            f"Invalid OData query options. The string '{value}' is not a valid enumeration constant."
        )
    return lambda _row: found or value


def _operand(node: Node, entity: Entity) -> _Operand:
    match node:
        case Literal():
            return _constant(node)
        case Path(parts):
            return _column(parts, entity)
        case Call(name, args):
            return _call(name, args, entity)
    inner = _predicate(node, entity)
    return _Operand("bool", inner)


def _constant(node: Literal) -> _Operand:
    value = node.value.lower() if isinstance(node.value, str) else node.value
    return _Operand(node.kind, lambda _row: value, constant=True)


def _column(parts: tuple[str, ...], entity: Entity) -> _Operand:
    if len(parts) == 1:
        found = entity.property(parts[0])
        if found.kind == "json" or not found.filterable:
            raise ODataError(
                f"Invalid OData query options. The property '{found.name}' cannot be used in $filter."
            )
        return _Operand(found.kind, _folded(found.kind, found.get), members=found.members)
    link = entity.link(parts[0])
    if link.many:
        raise ODataError(f"Invalid OData query options. '{link.name}' is a collection and needs any/all.")
    inner = _column(parts[1:], link.target)
    return _Operand(inner.kind, _through(link.get, inner.get), members=inner.members)


def _folded(kind: Kind, get: Get) -> Get:
    if kind not in ("text", "enum", "guid"):
        return get
    return lambda row: None if (value := get(row)) is None else value.lower()


def _through(link: Get, get: Get) -> Get:
    return lambda row: None if (related := link(row)) is None else get(related)


def _call(name: str, args: tuple[Node, ...], entity: Entity) -> _Operand:
    operands = [_operand(arg, entity) for arg in args]
    if any(operand.kind not in ("text", "enum", "null") for operand in operands):
        raise ODataError(
            f"Invalid OData query options. No function signature for '{name}' matches its arguments."
        )
    if name in ("tolower", "toupper") and len(operands) == 1:
        return _Operand(
            "text", operands[0].get, constant=operands[0].constant
        )  # comparisons ignore case already
    if name in _TEXT_TESTS and len(operands) == 2:
        test, (left, right) = _TEXT_TESTS[name], operands
        return _Operand(
            "bool",
            lambda row: (a := left.get(row)) is not None and (b := right.get(row)) is not None and test(a, b),
        )
    raise ODataError(f"Invalid OData query options. An unknown function with name '{name}' was found.")
