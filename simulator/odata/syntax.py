"""Parses `$filter` into a tree by recursive descent; knows the grammar, not the properties."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.odata.lexer import END, Token, tokens, unquote
from simulator.odata.model import Kind, ODataError

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Path:
    """A property, with the links that lead to it."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant in the comparable form of its kind."""

    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    name: str
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`."""

    op: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class In:
    """`left in (…)`."""

    left: "Node"
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` / `or` of two or more, `not` of one."""

    op: str
    items: tuple["Node", ...]


Node = Path | Literal | Call | Compare | In | Logic


def parse(text: str) -> Node:
    """The tree of one expression; raises ODataError with the position of a mistake."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.index = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.either()
        if self.token.kind != END:
            raise self.wrong()
        return node

    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def wrong(self) -> ODataError:
        return ODataError(f"Syntax error at position {self.token.at} in '{self.text}'.")

    def advance(self) -> Token:
        token = self.token
        self.index += 1
        return token

    def taken(self, kind: str, text: str) -> bool:
        if self.token.kind != kind or self.token.text != text:
            return False
        self.index += 1
        return True

    def expect(self, mark: str) -> None:
        if not self.taken("mark", mark):
            raise self.wrong()

    def either(self) -> Node:
        items = [self.both()]
        while self.taken("name", "or"):
            items.append(self.both())
        return items[0] if len(items) == 1 else Logic("or", tuple(items))

    def both(self) -> Node:
        items = [self.negation()]
        while self.taken("name", "and"):
            items.append(self.negation())
        return items[0] if len(items) == 1 else Logic("and", tuple(items))

    def negation(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ODataError(f"The expression is nested deeper than {_DEEPEST}.")
        try:
            if self.taken("name", "not"):
                return Logic("not", (self.negation(),))
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Node:
        left = self.operand()
        if self.token.kind == "name" and self.token.text in COMPARISONS:
            return Compare(self.advance().text, left, self.operand())
        if self.taken("name", "in"):
            return In(left, self.listed())
        return left

    def listed(self) -> tuple[Literal, ...]:
        self.expect("(")
        values = [self.literal(self.advance())]
        while self.taken("mark", ","):
            values.append(self.literal(self.advance()))
        self.expect(")")
        return tuple(values)

    def operand(self) -> Node:
        if self.taken("mark", "("):
            node = self.either()
            self.expect(")")
            return node
        token = self.advance()
        if token.kind == "name" and token.text not in ("null", "true", "false"):
            return self.call(token.text) if self.taken("mark", "(") else self.path(token.text)
        return self.literal(token)

    def call(self, name: str) -> Call:
        args = [self.either()]
        while self.taken("mark", ","):
            args.append(self.either())
        self.expect(")")
        return Call(name, tuple(args))

    def path(self, first: str) -> Path:
        parts = [first]
        while self.taken("mark", "/"):
            if self.token.kind != "name":
                raise self.wrong()
            parts.append(self.advance().text)
        return Path(tuple(parts))

    def literal(self, token: Token) -> Literal:
        match token.kind:
            case "string":
                return Literal("text", unquote(token.text))
            case "guid":
                return Literal("guid", token.text.lower())
            case "date":
                return Literal("date", milliseconds(token.text))
            case "number":
                whole = token.text.lstrip("-").isdigit()
                return Literal("int", int(token.text)) if whole else Literal("number", float(token.text))
            case "typed":
                return _typed(token.text)
            case "name" if token.text in _WORDS:
                return _WORDS[token.text]
        self.index -= 1
        raise self.wrong()


_WORDS = {"null": Literal("null", None), "true": Literal("bool", True), "false": Literal("bool", False)}


def _typed(text: str) -> Literal:
    name, quote, rest = text.partition("'")
    if "." not in name:  # datetime'…' and guid'…' were OData 3
        raise ODataError(f"Unrecognized literal '{text}': literals with a type prefix are not OData 4.")
    return Literal("enum", unquote(quote + rest))


def milliseconds(text: str) -> float:
    """A date-time literal as milliseconds since 1970 in UTC; refused without an offset, as by the server.

    Fractions of a millisecond stay: rows are kept to the millisecond, so `ge` with seven digits can miss one.
    """
    if not text.endswith(("Z", "z")) and "+" not in text and text.count("-") < 3:
        raise ODataError(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}': an offset (Z) is needed.")
    try:
        moment = datetime.fromisoformat(_six_digits(text.upper()))
    except ValueError:
        raise ODataError(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.") from None
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds / 1000


def _six_digits(text: str) -> str:
    head, point, tail = text.partition(".")
    if not point:
        return text
    digits = tail.rstrip("Z").split("+")[0].split("-")[0]
    return f"{head}.{digits[:6]:0<6}{tail[len(digits) :]}"
