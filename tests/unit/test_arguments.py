"""Input arguments are held to what the process declares, and only to that."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.domain.arguments import LONGEST, NetType, check, length, read_type
from worker.domain.processes import Argument

LIB = "mscorlib, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089"
STRING = f"System.String, {LIB}"
CORE = "System.Private.CoreLib, Version=8.0.0.0, Culture=neutral, PublicKeyToken=7cec85d7bea7798e"
INCIDENT = Argument("IncidentId", STRING, required=True, has_default=False)


def _generic(name: str, *parameters: str) -> str:
    inner = ",".join(f"[{parameter}]" for parameter in parameters)
    return f"System.Collections.Generic.{name}`{len(parameters)}[{inner}], {LIB}"


TEXTS = _generic("List", STRING)
NUMBERS = f"System.Int32[], {LIB}"
BY_NAME = _generic("Dictionary", STRING, f"System.Int32, {LIB}")

FITS = [
    ("System.Int32", [0, -(2**31), 2**31 - 1]),
    ("System.Int64", [2**63 - 1]),
    ("System.UInt64", [2**64 - 1]),
    ("System.Byte", [255]),
    ("System.Double", [1, 1.5, -1e300]),
    ("System.Decimal", [1.5, 10**18]),
    ("System.Boolean", [True, False]),
    ("System.String", ["", "x", None]),
    ("System.Char", ["x"]),
    (
        "System.DateTime",
        ["2026-11-21", "2026-11-21T18:00:00.1234567Z", "2026-11-21 18:00"],
    ),
    ("System.DateTimeOffset", ["2026-11-21t18:00:00+01:00", "2026-11-21T18:00:00z"]),
    (
        "System.Guid",
        ["99587436-4ce5-480d-988c-6d7f43787a2c", "{99587436-4CE5-480D-988C-6D7F43787A2C}", "0" * 32],
    ),
    ("System.Object", [1, "x", [], {}, None, 1.5]),
    ("System.Data.DataTable", [[], {}, "x"]),
    ("Contoso.Incident, Contoso", [{}, "x", 7]),
    ("System.Byte[]", ["AAEC", [0, 1]]),
    (NUMBERS, [[], [1, 2], None]),
    ("System.String[]", [["a", None]]),
    ("System.Int32[,]", [[[1], [2]]]),
    (TEXTS, [["a"], [], None]),
    (_generic("IEnumerable", f"System.Object, {LIB}"), [[1, "x", {}]]),
    (BY_NAME, [{"a": 1}, {}, None]),
    ("System.Collections.Generic.Dictionary<System.String, System.Object>", [{"a": []}]),
    (f"System.Nullable`1[[System.Int32, {LIB}]], {LIB}", [None, 5]),
    ("", [1, None]),
    ("[[", [1]),
]

WRONG = [
    (
        "System.Int32",
        "5",
        "",
        "must be a whole number from -2147483648 to 2147483647 (System.Int32), not text",
    ),
    ("System.Int32", 1.0, "", "not a decimal number"),
    ("System.Int32", True, "", "not true or false"),
    ("System.Int32", 2**31, "", "must be a whole number from -2147483648 to 2147483647 (System.Int32)"),
    ("System.Int32", None, "", "must not be null (System.Int32 has no null)"),
    ("System.UInt32", -1, "", "from 0 to 4294967295"),
    ("System.Double", "1.5", "", "must be a number that fits (System.Double), not text"),
    ("System.Single", 1e39, "", "must be a number that fits (System.Single)"),
    ("System.Double", False, "", "not true or false"),
    ("System.Boolean", "true", "", "must be true or false (System.Boolean), not text"),
    ("System.Boolean", 1, "", "not a whole number"),
    ("System.String", 5, "", "must be text (System.String), not a whole number"),
    ("System.String", {}, "", "must be text (System.String), not an object"),
    ("System.Char", "xy", "", "must be text of one character"),
    ("System.DateTime", "21.11.2026", "", "must be text such as 2026-11-21T18:00:00+01:00 (System.DateTime)"),
    ("System.DateTime", "2026-13-01", "", "must be text such as"),
    ("System.DateTime", 1795281661, "", "not a whole number"),
    ("System.Guid", "99587436", "", "must be text such as 99587436-4ce5"),
    (NUMBERS, 1, "", "must be an array (System.Int32[]), not a whole number"),
    (NUMBERS, [1, "x"], "/1", "must be a whole number from"),
    ("System.Int32[,]", [1], "/0", "must be an array (System.Int32[]), not a whole number"),
    (TEXTS, ["a", 5], "/1", "must be text"),
    (TEXTS, "a", "", "must be an array (System.Collections.Generic.List<System.String>), not text"),
    (BY_NAME, {"a/b": "x"}, "/a~1b", "must be a whole number from"),
    (BY_NAME, [], "", "must be an object"),
    (f"System.Nullable`1[[System.Int32, {LIB}]], {LIB}", "5", "", "must be a whole number from"),
]


def _declared(type_name: str) -> tuple[Argument, ...]:
    return (Argument("A", type_name, required=False, has_default=False),)


@pytest.mark.parametrize(("type_name", "values"), FITS)
def test_a_value_that_fits_its_type_passes(type_name: str, values: list[Any]) -> None:
    """Types that are not known pass too: Orchestrator has the last word."""
    assert [check({"A": value}, _declared(type_name)) for value in values] == [()] * len(values)


@pytest.mark.parametrize(("type_name", "value", "below", "words"), WRONG)
def test_a_value_of_the_wrong_type_is_named(type_name: str, value: Any, below: str, words: str) -> None:
    """The message says the type that is declared and the kind that came, at the innermost place."""
    (violation,) = check({"A": value}, _declared(type_name))
    assert violation.pointer == f"/inputArguments/A{below}"
    assert words in violation.message


def test_an_assembly_of_another_net_makes_no_difference() -> None:
    """Packages of .NET 5 and newer name System.Private.CoreLib."""
    (violation,) = check({"A": "x"}, _declared(f"System.Int32, {CORE}"))
    assert "System.Int32" in violation.message
    assert "CoreLib" not in violation.message


def test_a_required_argument_is_asked_for_unless_it_has_a_default() -> None:
    """The seeds' IncidentId is missed before a call is spent."""
    optional = Argument("Owner", STRING, required=True, has_default=True)
    (violation,) = check({}, (INCIDENT, optional))
    assert violation.pointer == "/inputArguments/IncidentId"
    assert "required by the process" in violation.message


def test_an_unknown_argument_is_named_with_the_nearest_that_is_known() -> None:
    """Case counts, and the message says which name was meant."""
    missing, stranger = check({"incidentid": "INC-1"}, (INCIDENT,))
    assert missing.pointer == "/inputArguments/IncidentId"
    assert stranger.pointer == "/inputArguments/incidentid"
    assert "did you mean IncidentId?" in stranger.message


def test_an_unknown_argument_far_from_all_is_told_what_there_is() -> None:
    """Where no name is near, the declared ones are listed; where there are none, that is said."""
    assert "which takes IncidentId" in check({"IncidentId": "x", "Zzz": 1}, (INCIDENT,))[0].message
    assert "which takes none" in check({"Zzz": 1}, ())[0].message


def test_a_process_that_declares_nothing_is_not_checked() -> None:
    """None means that nothing is known, not that nothing is taken."""
    assert check({"anything": 1}, None) == ()


def test_a_value_is_never_repeated() -> None:
    """An argument may be a password."""
    secret = "hunter2-hunter2"
    for type_name, *_ in WRONG:
        assert secret not in str(check({"A": {secret[:3]: secret}, "B": secret}, _declared(type_name)))


def test_a_long_list_of_mistakes_is_cut() -> None:
    """A hundred are enough to see what is wrong."""
    assert len(check({"A": ["x"] * 5000}, _declared(NUMBERS))) == 100


def test_the_length_is_counted_in_utf16_units() -> None:
    """The limit is Orchestrator's 10,000; an emoji counts twice, a letter with a dot once."""
    assert (length("ü€"), length("😀"), LONGEST) == (2, 2, 10_000)


def test_a_type_is_read_without_its_assemblies() -> None:
    """Generic parameters are kept, however deep."""
    nested = _generic("List", _generic("Dictionary", STRING, f"System.Int32[], {LIB}"))
    assert str(read_type(nested)).replace("System.Collections.Generic.", "") == (
        "List<Dictionary<System.String, System.Int32[]>>"
    )
    assert read_type("System.Int32[,][]") == NetType("System.Int32", rank=3)


@given(
    st.text(alphabet="SystemInt32.`,[]<> ", max_size=60),
    st.none() | st.integers() | st.text() | st.lists(st.none()),
)
def test_no_type_name_and_no_value_breaks_the_check(type_name: str, value: Any) -> None:
    """What cannot be read passes; it never raises."""
    assert isinstance(check({"A": value}, _declared(type_name)), tuple)
