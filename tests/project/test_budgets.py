"""The code stays small: functions, files, parameters and folders keep their budgets (CONTRIBUTING.md)."""

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("worker", "simulator") for path in sorted((ROOT / folder).rglob("*.py"))]
OTHERS = [
    path for folder in ("tests", "bench", "reference") for path in sorted((ROOT / folder).rglob("*.py"))
]
FUNCTION, FILE, PARAMETERS, MODULES = 40, 250, 6, 8

EXCEPTIONS = {
    "worker/cli/start/__init__.py::start": "a command's parameters are its options",
    "worker/cli/dead/__init__.py::replay": "a command's parameters are its options",
    "worker/cli/demo/__init__.py::demo": "a command's parameters are its options",
    "worker/cli/template/__init__.py::try_event": "a command's parameters are its options",
}
"""What is over a budget, as the findings name it, and why."""


def test_no_function_is_long() -> None:
    """No body has more than 40 lines without its docstring, in tests neither; 6 parameters at most."""
    found = {
        f"{name}: {lines} lines, {parameters} parameters"
        for path in SOURCES + OTHERS
        for name, lines, parameters in _functions(path)
        if lines > FUNCTION or parameters > PARAMETERS
    }
    assert _unexplained(found) == []


def test_most_functions_are_short() -> None:
    """In the product half of all bodies have at most 8 lines, and nine of ten at most 25."""
    lengths = [lines for path in SOURCES for _, lines, _ in _functions(path)]
    if len(lengths) < 2:
        pytest.fail("no functions found")
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 25


def test_no_file_is_long() -> None:
    """A file that has more than 250 lines is about more than one thing."""
    lengths = {_name(path): len(path.read_text().splitlines()) for path in SOURCES + OTHERS}
    assert _unexplained(f"{name}: {lines} lines" for name, lines in lengths.items() if lines > FILE) == []


def test_no_folder_is_crowded() -> None:
    """A listing is read at a glance: 8 modules at most."""
    folders = Counter(_name(path.parent) for path in SOURCES if not path.name.startswith("__"))
    assert (
        _unexplained(f"{name}: {modules} modules" for name, modules in folders.items() if modules > MODULES)
        == []
    )


def _unexplained(findings: Iterator[str] | set[str]) -> list[str]:
    return sorted(one for one in findings if one.partition(": ")[0] not in EXCEPTIONS)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def _functions(path: Path) -> list[tuple[str, int, int]]:
    """Each function's name with its file, the lines of its body, its parameters besides self and cls."""
    return list(_read(path))


def _read(path: Path) -> Iterator[tuple[str, int, int]]:
    for node in _definitions(ast.parse(path.read_text())):
        body = node.body[ast.get_docstring(node) is not None :]
        lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
        taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        yield f"{_name(path)}::{node.name}", lines, sum(one.arg not in {"self", "cls"} for one in taken)


def _definitions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in *node*, however deep; no expression is looked at, as none can hold one."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        below = getattr(node, field, ())
        for one in below if isinstance(below, list) else ():
            yield from _definitions(one)
