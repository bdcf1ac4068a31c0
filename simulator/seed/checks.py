"""Checks for JSON from a person: each gives the value, or names the mistake and its place."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

Check = Callable[[Any, str], Any]


class SeedError(ValueError):
    """A mistake in a seed; the text begins with its place, such as `releases[2].folder`."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place or 'seed'}: {message}")


class Key(NamedTuple):
    """A key of an object: how its value is checked, and what it is when left out."""

    check: Check
    default: Any = None
    required: bool = False


def text(value: Any, place: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise SeedError(place, f"text expected, got {value!r}")
    return value


def flag(value: Any, place: str) -> bool:
    """One of true and false."""
    if not isinstance(value, bool):
        raise SeedError(place, f"true or false expected, got {value!r}")
    return value


def guid(value: Any, place: str) -> str:
    """A GUID, in lower case."""
    try:
        return str(UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise SeedError(place, f"a GUID expected, got {value!r}") from None


def anything(value: Any, _place: str) -> Any:
    """Any JSON value."""
    return value


def number(low: float, high: float, *, whole: bool = False) -> Check:
    """A number between `low` and `high`, both allowed."""

    def check(value: Any, place: str) -> Any:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise SeedError(
                place, f"a {'whole ' if whole else ''}number {low} to {high} expected, got {value!r}"
            )
        return value

    return check


def span(value: Any, place: str) -> tuple[float, float]:
    """Seconds: a number, or [least, most]."""
    seconds = number(0, 10_000_000)
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2:
        raise SeedError(place, f"a number or [least, most] expected, got {value!r}")
    low, high = seconds(pair[0], f"{place}[0]"), seconds(pair[1], f"{place}[1]")
    if low > high:
        raise SeedError(place, f"{low} is more than {high}")
    return float(low), float(high)


def one_of(*choices: str) -> Check:
    """One of the given words."""

    def check(value: Any, place: str) -> Any:
        if value not in choices:
            raise SeedError(place, f"one of {', '.join(choices)} expected, got {value!r}")
        return value

    return check


def several(check: Check) -> Check:
    """A list, or one value for a list of one."""

    def checked(value: Any, place: str) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        return [check(item, f"{place}[{index}]") for index, item in enumerate(items)]

    return checked


def optional(check: Check) -> Check:
    """null, or what `check` takes."""
    return lambda value, place: None if value is None else check(value, place)


def mapping(check: Check) -> Check:
    """An object with any keys, each value checked."""

    def checked(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise SeedError(place, f"an object expected, got {value!r}")
        return {key: check(item, f"{place}.{key}") for key, item in value.items()}

    return checked


def record(keys: Mapping[str, Key], *, partial: bool = False) -> Check:
    """An object with these keys and no others; keys left out get their defaults (not when `partial`)."""

    def check(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise SeedError(place, f"an object expected, got {value!r}")
        for name in value:
            if name not in keys:
                raise SeedError(f"{place}.{name}".strip("."), f"unknown key{_nearest(name, keys)}")
        return _completed(value, place, keys, partial=partial)

    return check


def _completed(
    value: dict[str, Any], place: str, keys: Mapping[str, Key], *, partial: bool
) -> dict[str, Any]:
    found = {}
    for name, key in keys.items():
        if name in value:
            found[name] = key.check(value[name], f"{place}.{name}".strip("."))
        elif key.required:
            raise SeedError(f"{place}.{name}".strip("."), "is missing")
        elif not partial:
            found[name] = key.default() if callable(key.default) else key.default
    return found


def _nearest(name: str, keys: Mapping[str, Key]) -> str:
    near = difflib.get_close_matches(name, keys, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(keys)}"
