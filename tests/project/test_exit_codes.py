"""What the end of a command tells the shell is said where one looks for it, and is what commands do."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from typed import typed_here

from worker.cli import output
from worker.cli.output import EXIT_CODES

ROOT = Path(__file__).parents[2]
COMMANDS = [path for path in (ROOT / "worker" / "cli").rglob("*.py") if path.name != "output.py"]
_ENDING = {"Exit", "exit", "Failed"}


def test_the_readme_and_the_help_have_every_exit_code() -> None:
    """Each with its meaning, in the words of the code, and no other one."""
    text = (ROOT / "README.md").read_text("utf-8")
    head, line = re.findall(r"(?m)^\| exit code \| (.+) \|\n\|[-|]+\n\|  ?\| (.+) \|$", text)[0]
    assert dict(zip(map(int, head.split(" | ")), line.split(" | "), strict=True)) == EXIT_CODES
    shown = " ".join(typed_here("--help").stdout.split())
    assert [code for code, meaning in EXIT_CODES.items() if f" {code} {meaning}" not in shown] == []


def test_every_exit_code_is_one_that_some_command_ends_with() -> None:
    """By its name; and no command ends with a number that has none."""
    names = {name for name, value in vars(output).items() if isinstance(value, int) and value in EXIT_CODES}
    trees = [ast.parse(path.read_text("utf-8")) for path in COMMANDS]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert len(names) == len(EXIT_CODES)
    assert names <= used
    assert [number for tree in trees for number in _bare(tree)] == []


def _bare(tree: ast.Module) -> Iterator[object]:
    """Numbers that are given to what ends a command."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _ENDING:
            values = (one.value for one in node.args if isinstance(one, ast.Constant))
            yield from (value for value in values if isinstance(value, int))
