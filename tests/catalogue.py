"""Every metric there is, as the code declares it: what docs, alerts and the dashboard are held to."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from worker.web.metrics import Metrics
from worker.web.metrics.families import Family

ROOT = Path(__file__).parents[1]
OF_TARGETS = {"job", "instance", "namespace", "pod"}
"""Labels that Prometheus gives to whatever it scrapes."""
_OF_THE_SCRAPE = {"up": set[str]()}
_OF_THE_LIBRARY = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                   "process_max_fds", "process_start_time_seconds")  # fmt: skip
_WORD = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_TOKEN = re.compile(
    rf'"(?:\\.|[^"\\])*"|\d[\dsmhdwy]*(?:\.\d+)?(?![\w.])|{_WORD}|!=|=~|!~|==|>=|<=|\S', re.DOTALL
)
_GROUPED = ("by", "without", "on", "ignoring", "group_left", "group_right")
_OPEN = ("(", "by", "without")  # what stands before them is a function
_KEYWORDS = frozenset(("and", "or", "unless", "group_left", "group_right", "offset", "bool"))


def series() -> dict[str, set[str]]:
    """The name of every series that `/metrics` may show, with its labels."""
    shown = {name: set[str]() for name in _OF_THE_LIBRARY}
    for family in Metrics().families:
        for suffix, labels in _suffixes(family):
            shown[family.name + suffix] = set(family.labels) | labels
    return shown


def _suffixes(family: Family) -> Iterator[tuple[str, set[str]]]:
    if family.kind == "histogram":
        yield from (("_bucket", {"le"}), ("_count", set()), ("_sum", set()))
    else:
        yield ("_total" if family.kind == "counter" else ""), set()


def used_in(query: str) -> Iterator[tuple[str, set[str]]]:
    """The series that a PromQL query names, each with the labels that it selects; "" with those grouped by.

    `promtool` says elsewhere whether it is PromQL at all.
    """
    tokens = _TOKEN.findall(query)
    at = 0
    while at < len(tokens):
        token, after = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if token in _GROUPED and after == "(":
            end = tokens.index(")", at)
            yield "", {word for word in tokens[at + 1 : end] if word != ","}
            at = end + 1
        elif re.fullmatch(_WORD, token) and token not in _KEYWORDS and after not in _OPEN:
            end = tokens.index("}", at) if after == "{" else at
            selected = tokens[at + 1 : end]
            yield token, {word for word, sign in pairwise(selected) if sign[0] in "=!"}
            at = end + 1 if after == "{" else at


def unknown_in(query: str) -> list[str]:
    """What a query asks for that nobody shows: series, and labels that those named do not have."""
    known = series() | _OF_THE_SCRAPE
    used = list(used_in(query))
    names = [name for name, _ in used if name]
    has = OF_TARGETS | set().union(*(known.get(name, set()) for name in names))
    missing = [name for name in names if name not in known]
    for name, labels in used:
        its = has if not name else known.get(name, labels) | OF_TARGETS
        missing += [f"{name}{{{label}}}" for label in sorted(labels - its)]
    return missing
