"""A file's documents with their lines: YAML as JSON has it, or JSON.

What YAML guesses is not guessed here: only true, false, null and JSON's numbers are not text. Anchors, tags
and repeated keys are refused.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from worker.contracts import parse
from worker.contracts.words import pointer
from worker.domain.failures import Rejected
from worker.templates.model import Lines

LARGEST = 1_048_576
_DEEPEST = 32
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_BOOL, _NULL, _TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"
_WHOLE = r"-?(?:0|[1-9][0-9]*)"
_SHOWN = 120
# By a part of what the parser says.
_MEND_YAML = (
    ("mapping values", "put a text that has ': ' in it in quotes, or see whether it is indented right"),
    (r"'\t'", "indent with spaces, not with tabs"),
    ("cannot start any token", "put a text that begins with this character in quotes"),
    ("end of stream", "close the quotes or the bracket that is open"),
)
_MEND_ANY_YAML = "see whether it is indented right, and put texts with signs such as : # [ ] { } in quotes"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a template's *file*: at *pointer*, in *line* where that is known; and how to mend it.

    *shown* is that line as it stands, for whoever wrote it: no log has it.
    """

    file: str
    line: int | None
    pointer: str
    reason: str
    remedy: str
    shown: str = ""

    def __str__(self) -> str:
        """In a line."""
        where = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{where}: {f'{self.pointer} {self.reason}'.strip()}: {self.remedy}"


class TemplateErrors(Exception):
    """Not one of the templates is taken: *faults* says what is wrong, in the order of the files."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        """The first one, and how many there are."""
        more = len(self.faults) - 1
        return f"{self.faults[0]}{f' (and {more} more)' if more else ''}"


@dataclass(slots=True)
class Document:
    """One document of a *file*: its *value*, and the *lines* of what has a pointer in it."""

    file: str
    value: Any = None
    lines: Lines = field(default_factory=Lines)

    def fault(self, place: str, reason: str, remedy: str) -> Fault:
        """What is wrong at *place*."""
        return Fault(self.file, self.lines.of(place), place, reason, remedy)


def documents(path: Path) -> list[Document]:
    """The documents of the file at *path*, empty ones left out. Raises `TemplateErrors`."""
    text = _text(path)
    if path.suffix != ".json":
        return [document for document in _of_yaml(path.name, text) if document.value is not None]
    try:
        value = parse(text.encode())
    except Rejected as why:
        said = why.detail.replace("the body", "it")
        raise TemplateErrors(Fault(path.name, None, "", said, "write the template as JSON")) from None
    return [Document(path.name, value, _lines_of_json(path.name, text))]


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        said = f"cannot be read: {error.strerror}"
        raise TemplateErrors(Fault(path.name, None, "", said, "let the worker's user read it")) from None
    if len(content) > LARGEST:
        said = f"has {max(size, len(content)):,} bytes; at most {LARGEST:,} are read"
        raise TemplateErrors(Fault(path.name, None, "", said, "spread its templates over several files"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TemplateErrors(Fault(path.name, line, "", "is not UTF-8", "save it as UTF-8")) from None


class _Loader(yaml.SafeLoader):
    """Knows no types but JSON's, and no anchors, with which a few lines could mean millions."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - the library's way
    _depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise _wrong("anchors are not read", "write it out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _wrong("tags are not read", "put what begins with ! in quotes", event.start_mark)
        if self._depth == _DEEPEST:
            raise _wrong(f"nests deeper than {_DEEPEST} levels", "make it flatter", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _wrong(what: str, remedy: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark, note=remedy)


for _tag, _form, _first in (
    (_BOOL, r"true|false", "tf"),
    (_NULL, r"null|~|", ["n", "~", ""]),
    (_INT, _WHOLE, "-0123456789"),
    (_FLOAT, rf"{_WHOLE}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_form})\Z"), list(_first))


def _of_yaml(file: str, text: str) -> Iterator[Document]:
    loader = None
    try:
        loader = _Loader(text)
        while loader.check_node():
            document = Document(file)
            document.value = _value(document, loader.get_node(), ())
            yield document
    except yaml.MarkedYAMLError as error:
        raise TemplateErrors(_unreadable(file, text, error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        said = "has a character that YAML does not take"
        raise TemplateErrors(Fault(file, line, "", said, "take it out, or write it as an escape")) from None
    except (ValueError, OverflowError):
        at = loader.get_mark().line + 1 if loader else None
        said = "has an escape that stands for no character"
        raise TemplateErrors(Fault(file, at, "", said, "write the character itself")) from None


def _unreadable(file: str, text: str, error: yaml.MarkedYAMLError) -> Fault:
    """What keeps the parser from going on, with the line: a person sees more there than it does."""
    problem, mark = str(error.problem), error.problem_mark or error.context_mark
    remedy = error.note or next((mend for said, mend in _MEND_YAML if said in problem), _MEND_ANY_YAML)
    if mark is None:
        return Fault(file, None, "", problem, remedy)
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)
    line = lines[mark.line].strip()[:_SHOWN] if mark.line < len(lines) else ""
    return Fault(file, mark.line + 1, "", f"{problem} (column {mark.column + 1})", remedy, line)


def _lines_of_json(file: str, text: str) -> Lines:
    """JSON is YAML, nearly: where it is none, nothing is known of lines."""
    try:
        return next(_of_yaml(file, text.replace("\t", " "))).lines
    except (TemplateErrors, StopIteration):
        return Lines()


def _value(document: Document, node: Node | None, path: tuple[str | int, ...]) -> Any:
    if node is None:
        return None
    place = pointer(path)
    document.lines[place] = node.start_mark.line + 1
    match node:
        case MappingNode():
            return _mapping(document, node, path)
        case SequenceNode() if node.tag == "tag:yaml.org,2002:seq":
            return [_value(document, inner, (*path, index)) for index, inner in enumerate(node.value)]
        case ScalarNode():
            return _scalar(document, node, place)
        case _:
            raise TemplateErrors(_tagged(document, place, node.tag))


def _mapping(document: Document, node: MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode) or key.tag != _TEXT:
            reason = "has a key that is not text"
            raise TemplateErrors(Fault(document.file, line, pointer(path), reason, "put it in quotes"))
        _checked(document, key.value, pointer(path))
        if key.value in found:
            again = pointer((*path, key.value))
            raise TemplateErrors(Fault(document.file, line, again, "is there twice", "take one of them out"))
        found[key.value] = _value(document, inner, (*path, key.value))
        document.lines[pointer((*path, key.value))] = line
    return found


def _scalar(document: Document, node: ScalarNode, place: str) -> Any:
    text = node.value
    match node.tag:
        case t if t == _TEXT:
            return _checked(document, text, place)
        case t if t == _BOOL:
            return text == "true"
        case t if t == _NULL:
            return None
        case t if t == _INT and len(text) < 19:
            return int(text)
        case t if t == _FLOAT and math.isfinite(float(text)):
            return float(text)
        case t if t in (_INT, _FLOAT):
            raise TemplateErrors(document.fault(place, "is too big a number", "put it in quotes"))
        case tag:
            raise TemplateErrors(_tagged(document, place, tag))


def _tagged(document: Document, place: str, tag: str) -> Fault:
    return document.fault(place, f"has the tag {tag}, which is not read", "put it in quotes")


def _checked(document: Document, text: str, place: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise TemplateErrors(document.fault(place, "has half a character", "write it whole, not as escapes"))
    return text
