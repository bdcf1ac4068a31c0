"""Reads a request's OData options and applies them: filter, count, order, page, expand, select."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulator.odata.filter import Predicate, compile_filter
from simulator.odata.model import Entity, Get, ODataError, Row
from simulator.odata.syntax import Node, parse

_OPTIONS = frozenset({"filter", "select", "expand", "orderby", "top", "skip", "count", "format"})
MAX_ORDER = 5
MAX_EXPAND_DEPTH = 2


class Order(NamedTuple):
    """One `$orderby` term."""

    path: str
    get: Get
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """Checked options. `tree` is the filter as parsed, for whoever can narrow the rows by an index first."""

    tree: Node | None = None
    predicate: Predicate | None = None
    select: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    order: tuple[Order, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = True

    def page(self, rows: Iterable[Row], most: int) -> tuple[int, Sequence[Row]]:
        """How many rows match, and those of the page asked for (at most `most`)."""
        found = [row for row in rows if self.predicate(row)] if self.predicate else list(rows)
        for term in reversed(self.order):
            found.sort(key=_sortable(term.get), reverse=term.descending)
        return len(found), found[self.skip : self.skip + (most if self.top is None else self.top)]

    def render(self, row: Row, entity: Entity) -> dict[str, Any]:
        """One row as JSON: expanded links in, all but the selected properties out."""
        shown = entity.render(row)
        for path in self.expand:
            _expand(shown, row, entity, path.split("/"))
        if not self.select:
            return shown
        keep = {name.lower() for name in (*self.select, *(path.split("/")[0] for path in self.expand))}
        return {name: value for name, value in shown.items() if name.lower() in keep}


_PLAIN = Query()


def read_query(params: dict[str, str], entity: Entity, most: int) -> Query:
    """The request's options, checked against `entity` and the largest page `most`; raises ODataError."""
    if not params:
        return _PLAIN
    options = _options(params)
    tree = parse(options["filter"]) if options.get("filter", "").strip() else None
    return Query(
        tree=tree,
        predicate=compile_filter(tree, entity) if tree else None,
        select=_names(
            options.get("select", ""), lambda name: entity.links.get(name.lower()) or entity.property(name)
        ),
        expand=_names(options.get("expand", ""), lambda path: _check_expand(path, entity)),
        order=_order(options.get("orderby", ""), entity),
        top=_number(options, "top", most),
        skip=_number(options, "skip", None) or 0,
        count=options.get("count", "true").lower() != "false",
    )


def _options(params: dict[str, str]) -> dict[str, str]:
    options = {}
    for name, value in params.items():
        plain = name.removeprefix("$").lower()
        if plain in _OPTIONS:
            options[plain] = value
        elif name.startswith("$"):
            raise ODataError(f"Invalid OData query options. The query parameter '{name}' is not supported.")
    return options


def _number(options: dict[str, str], name: str, most: int | None) -> int | None:
    text = options.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise ODataError(
            f"Invalid OData query options. Invalid value '{text}' for ${name} query option found."
        )
    if most is not None and int(text) > most:
        raise ODataError(
            f"Invalid OData query options. The limit of '{most}' for {name.title()} query has been exceeded. "
            f"The value from the incoming request is '{text}'."
        )
    return int(text)


def _names(text: str, check: Callable[[str], Any]) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip() not in ("", "*"))
    for name in names:
        check(name)
    return names


def _check_expand(path: str, entity: Entity) -> None:
    parts = path.split("/")
    if len(parts) > MAX_EXPAND_DEPTH:
        raise ODataError(f"Invalid OData query options. The maximum depth of $expand is {MAX_EXPAND_DEPTH}.")
    for part in parts:
        entity = entity.link(part).target


def _order(text: str, entity: Entity) -> tuple[Order, ...]:
    terms = [part.strip() for part in text.split(",") if part.strip()]
    if len(terms) > MAX_ORDER:
        raise ODataError(
            f"Invalid OData query options. The maximum number of $orderby expressions is {MAX_ORDER}."
        )
    return tuple(_term(term, entity) for term in terms)


def _term(text: str, entity: Entity) -> Order:
    path, _, direction = text.partition(" ")
    direction = direction.strip().lower() or "asc"
    if direction not in ("asc", "desc"):
        raise ODataError(f"Invalid OData query options. Syntax error in '$orderby={text}'.")
    first, *rest = path.split("/")
    get = entity.property(first).get if not rest else _linked(entity, first, rest)
    return Order(path.lower(), get, direction == "desc")


def _linked(entity: Entity, first: str, rest: list[str]) -> Get:
    link = entity.link(first)
    inner = link.target.property("/".join(rest)).get
    return lambda row: None if (related := link.get(row)) is None else inner(related)


def _sortable(get: Get) -> Callable[[Row], Any]:
    def key(row: Row) -> tuple[bool, Any]:
        value = get(row)
        return (value is not None, value.lower() if isinstance(value, str) else value or 0)

    return key


def _expand(shown: dict[str, Any], row: Row, entity: Entity, parts: list[str]) -> None:
    link, deeper = entity.link(parts[0]), parts[1:]
    related = link.get(row)
    if link.many:
        shown[link.name] = [_related(one, link.target, deeper) for one in related]
    else:
        shown[link.name] = None if related is None else _related(related, link.target, deeper)


def _related(row: Row, entity: Entity, deeper: list[str]) -> dict[str, Any]:
    shown = entity.render(row)
    if deeper:
        _expand(shown, row, entity, deeper)
    return shown
