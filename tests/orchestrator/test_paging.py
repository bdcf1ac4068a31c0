"""How changes are read page by page: whatever changes while it is read, no last state is skipped."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from worker.orchestrator.follow import paging
from worker.orchestrator.follow.paging import (
    MODIFIED,
    Place,
    Round,
    States,
    moment,
    round_from,
    round_of,
    written,
)

STEP = 10_000  # microseconds; everything happens at multiples of it, so that times coincide
LATE = 200  # steps that a change may become visible after its time: OVERLAP_S
T = 1_795_000_000_000_000
_TERMS = re.compile(r"(\w+) (ge|lt|gt) (\S+?)(?: and |$)")


@dataclass(frozen=True, slots=True)
class Change:
    """A job's change: its time in steps, how much later it is to be seen, what the server stores beside."""

    job: int
    at: int
    late: int
    odd: int = 0

    @property
    def stored(self) -> int:
        """Its time in the server's table, which is shown to the millisecond."""
        return T + self.at * STEP + self.odd

    @property
    def shown(self) -> int:
        """Its time in an answer."""
        return round(self.stored / 1000) * 1000


def answer(changes: Sequence[Change], options: Mapping[str, Any], now: int, page: int) -> list[Change]:
    """What a server gives at *now*, in steps: the rows as they are seen then."""
    seen = {one.job: one for one in sorted(changes, key=lambda one: one.at) if one.at + one.late <= now}
    rows = [one for one in seen.values() if _fits(one, str(options["filter"]))]
    by_id = options["orderby"] == "Id"
    return sorted(rows, key=lambda one: one.job if by_id else (one.stored, one.job))[:page]


def _fits(one: Change, condition: str) -> bool:
    for name, operator, value in _TERMS.findall(condition):
        have, want = (one.job, int(value)) if name == "Id" else (one.stored, moment(value))
        if not {"ge": have >= want, "gt": have > want, "lt": have < want}[operator]:
            return False
    return True


def read_all(changes: Sequence[Change], pauses: Sequence[int], page: int, rests: int) -> set[Change]:
    """What rounds give until long after the last change. *pauses* are steps between pages."""
    seen: set[Change] = set()
    place, now, calls, begun = Place(MODIFIED, T, T), 0, 0, 0
    last = max((one.at + one.late for one in changes), default=0)
    while True:
        asked = now
        rows = answer(changes, place.options(), now, page)
        seen |= set(rows)
        now += pauses[calls % len(pauses)]
        calls += 1
        place, more = place.read([_row(one) for one in rows], asked / 100, now / 100)
        assert calls < 2_000, "it never ends"
        if not more:
            if begun > last:
                return seen
            begun = now = now + rests


def _row(one: Change) -> dict[str, Any]:
    return {"Id": one.job, "Key": str(one.job), "State": "Running", MODIFIED: written(one.shown)}


CHANGES = st.lists(
    st.builds(
        Change,
        job=st.integers(1, 12),
        at=st.integers(0, 9).map(lambda n: n * 50),
        late=st.sampled_from([0, 0, 0, 30, 150, LATE - 1]),
        odd=st.sampled_from([0, 0, 333, -334]),
    ),
    max_size=40,
    unique_by=lambda one: (one.job, one.at),
)


@settings(max_examples=200, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(CHANGES, st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(2, 5), st.integers(30, 300))
@example([Change(n, 100, 0) for n in range(1, 11)], [0], 2, 100)
@example([Change(n, 0, 0) for n in range(1, 4)] + [Change(n, 100, 0) for n in range(4, 8)], [0], 3, 30)
@example([Change(1, 100, 0), Change(2, 50, LATE - 1)], [1], 2, 60)
def test_no_last_state_is_skipped(changes: list[Change], pauses: list[int], page: int, rests: int) -> None:
    """Rows of one instant across pages, rows that change while they are read, changes that are seen late."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "PAGE", page)
        seen = read_all(changes, pauses, page, rests)
    last = {one.job: one for one in sorted(changes, key=lambda one: one.at)}
    assert set(last.values()) <= seen


def test_a_round_asks_for_what_it_has_not_read() -> None:
    """At or after its time, by time and Id, with no number of rows to pass over; only what is needed."""
    assert Place(MODIFIED, T).options() == {
        "filter": f"{MODIFIED} ge 2026-11-18T11:06:40.000000Z",
        "orderby": f"{MODIFIED},Id",
        "top": 1000,
        "select": f"Id,Key,State,ResumeVersion,{MODIFIED}",
        "count": "false",
    }
    crowd = Place(MODIFIED, T, after=7).options()
    assert crowd["orderby"] == "Id"
    assert str(crowd["filter"]).endswith("lt 2026-11-18T11:06:41.000000Z and Id gt 7")


@pytest.mark.parametrize(
    ("lasted", "overlap"),
    [pytest.param(0, 2, id="at once"), pytest.param(3, 5, id="3 s"), pytest.param(60, 12, id="a minute")],
)
def test_the_next_round_looks_back(lasted: float, overlap: float) -> None:
    """By two seconds and as long as this one took, for what became visible late; never before 1970."""
    rows = [_row(Change(1, 500, 0))]
    place, more = Place(MODIFIED, T, T, begun=100.0).read(rows, 101.0, 100.0 + lasted)
    assert (place.since, place.newest, more) == (T + int((5 - overlap) * 1e6), T + 5_000_000, False)
    assert place.ahead == T + 5_000_000 - int((100 + lasted) * 1e6), "the server's clock beside ours"
    assert Place(MODIFIED).read([], 0, 1)[0].since == 0


@pytest.mark.parametrize(
    ("known", "pages", "overlap"),
    [
        pytest.param(
            True, [(10, 3), (15, 10)], 2, id="pages that end more than 2 s before they are asked for"
        ),
        pytest.param(True, [(10, 3), (15, 14)], 7, id="the second reaches into the last 2 s"),
        pytest.param(True, [(10, 9), (15, 10)], 12, id="the first does"),
        pytest.param(False, [(10, 3), (15, 10)], 12, id="nothing is known of the server's clock"),
    ],
)
def test_what_lay_back_when_it_was_read_is_not_read_again(
    known: bool, pages: list[tuple[float, int]], overlap: float
) -> None:
    """A round may rest between its full pages, asked for at a second and reaching to one; it ends at 20 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "PAGE", 1)
        place = Place(MODIFIED, T, T, ahead=T if known else None)  # at 0, the server's time was T at least
        for asked_at, reached in pages:
            place, more = place.read([_row(Change(1, reached * 100, 0))], asked_at, asked_at)
            assert more
        place, more = place.read([], 20.0, 20.0)
    assert not more
    assert place.since == place.newest - overlap * 1_000_000


def test_an_old_server_is_read_list_by_list() -> None:
    """Ends, starts, and one page of the states that no time tells of; then the round is over."""
    here = round_from(T, by_modification=False)
    asked: list[str] = []
    for more in (True, True, False) * 2:
        asked.append(here.left[0].by)
        here, said = here.read([], 0, 0)
        assert said is more
    assert asked == ["EndTime", "StartTime", "State"] * 2
    assert not here.by_modification


@pytest.mark.parametrize("by_modification", [True, False])
def test_another_process_goes_on_a_little_earlier(by_modification: bool) -> None:
    """At the word of a round: late rows that it had looked back for are given once more, none is skipped."""
    here = round_from(T, by_modification=by_modification)
    again = round_of(here.word)
    assert again == round_from(T - 12_000_000, by_modification=by_modification)
    assert round_of(round_from(0, by_modification=by_modification).word) is not None


@pytest.mark.parametrize("word", ["", "m", "x1", "m-1", "m1.5", "m" + "9" * 30, "m+1"])
def test_what_is_no_word_of_ours_is_no_round(word: str) -> None:
    """Then a scan begins anew."""
    assert round_of(word) is None


def test_the_states_without_a_time_are_read_a_page_each_round() -> None:
    """From where the last page ended, and then from the beginning again."""
    full = [{"Id": number} for number in range(1, 1001)]
    place, more = States().read(full, 0, 0)
    assert (place, more) == (States(1000), False)
    assert "Id gt 1000" in str(place.options()["filter"])
    assert place.read(full[:9], 0, 0) == (States(), False)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"Id": 1}], id="no time"),
        pytest.param([{"Id": 1, MODIFIED: "yesterday"}], id="no instant"),
        pytest.param([_row(Change(1, 50, 0)), _row(Change(2, 0, 0))], id="another order"),
        pytest.param([_row(Change(1, -50, 0))], id="before what was asked for"),
    ],
)
def test_rows_that_were_not_asked_for_prove_nothing(rows: list[dict[str, Any]]) -> None:
    """A server that has no heed of filter or order: what is missing may be there."""
    with pytest.raises(ValueError, match=r"time|heed|Invalid"):
        Round((Place(MODIFIED, T, T),)).read(rows, 0, 0)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-11-18T11:06:40Z", T),
        ("2026-11-18T11:06:40.1234567Z", T + 123_456),
        ("2026-11-18T12:06:40.5+01:00", T + 500_000),
        ("2026-11-18T11:06:40.003", T + 3_000),
    ],
)
def test_a_time_is_read_at_any_precision(text: str, microseconds: int) -> None:
    """7 digits, 3 or none, with an offset or in UTC."""
    assert moment(text) == microseconds
    assert moment(written(microseconds)) == microseconds
