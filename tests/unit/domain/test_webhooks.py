"""What a notice names, and whose signature it has."""

import base64
import hashlib
import hmac
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.domain import webhooks
from worker.domain.webhooks import Notice, Recent, is_signed, notice_of, subscription

KEY = "D7A77655-1234-4F6A-9D55-2F1F6F0C0A01"
OTHER = "0b1c9e9a-5d8b-4a51-9d6e-0a4f5f2f0101"
BODY = '{"Type":"job.completed","Größe":1}'.encode()
MAC = hmac.new("a secret ü".encode(), BODY, hashlib.sha256)
SIGNATURE = base64.b64encode(MAC.digest()).decode()

# The samples of UiPath's documentation: of 2018, and of 2025.
COMPLETED = {
    "Type": "job.completed",
    "EventId": "15412ff77dce4d489fc32c273862839b",
    "Timestamp": "2018-11-26T14:37:26.3231812Z",
    "Job": {"Id": 148712, "Key": KEY, "State": "Successful", "OutputArguments": {"sum": 150}},
    "TenantId": 1,
    "OrganizationUnitId": 1,
}
CREATED = {
    "Type": "job.created",
    "EventId": "307348658",
    "StartInfo": {"ReleaseKey": OTHER, "Strategy": "ModernJobsCount", "JobsCount": 2},
    "Jobs": [{"Id": 1, "Key": KEY, "State": "Pending"}, {"Id": 2, "Key": OTHER, "State": "Pending"}],
}


def notice(kind: str = "job.stopped", **more: Any) -> dict[str, Any]:
    """A notice of that type."""
    return {"Type": kind, "EventId": "7", **more}


@pytest.mark.parametrize(
    ("document", "jobs"),
    [
        pytest.param(COMPLETED, (KEY.lower(),), id="one Job, its key in lower case"),
        pytest.param(CREATED, (KEY.lower(), OTHER), id="Jobs in their order"),
        pytest.param(notice("Job.Resumed", Job={"Key": OTHER}), (OTHER,), id="a type in any case"),
        pytest.param(notice("job.unheard_of", Job={"Key": OTHER}), (OTHER,), id="a type to come"),
        pytest.param(notice(Job={"Key": OTHER}, Jobs=[{"Key": OTHER}]), (OTHER,), id="each key once"),
        pytest.param(
            notice(Jobs=[None, 3, {}, {"Key": 7}, {"Key": OTHER}]), (OTHER,), id="what is none is left"
        ),
        pytest.param(notice(Job={"Key": "../../etc"}), (), id="a key is a GUID"),
        pytest.param(notice(Job={"Key": OTHER + "\n"}), (), id="and nothing after it"),
        pytest.param(notice(Job=[{"Key": OTHER}], Jobs={"Key": OTHER}), (), id="the wrong way round"),
        pytest.param(notice("robot.status", Job={"Key": OTHER}), (), id="another kind of event"),
        pytest.param(notice("ping"), (), id="a ping"),
    ],
)
def test_a_notice_names_its_jobs(document: dict[str, Any], jobs: tuple[str, ...]) -> None:
    """By the keys of Job or Jobs, in events about jobs only."""
    assert notice_of(document) == Notice(document["EventId"], document["Type"], jobs)


@pytest.mark.parametrize(
    "document",
    [
        None, 7, "job.created", [], [COMPLETED], {}, {"Type": "job.created"}, {"EventId": "7"},
        notice(""), notice(Type=["job.created"]),
        notice(EventId=""), notice(EventId=7), notice(EventId="7" * 129),
    ],
)  # fmt: skip
def test_what_lacks_a_type_or_an_id_is_no_notice(document: object) -> None:
    """All of Orchestrator's have both, as texts, and no long id."""
    assert notice_of(document) is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(OTHER),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Type", "EventId", "Job", "Jobs", "Key"]) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(_json, st.sampled_from(["job.created", "JOB.", "ping"]), _json)
def test_whatever_a_notice_holds_is_read(job: Any, kind: str, jobs: Any) -> None:
    """Nothing is raised, and what is found are keys."""
    assert (found := notice_of(notice(kind, Job=job, Jobs=jobs))) is not None
    assert set(found.jobs) <= {OTHER}
    notice_of(job)


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(SIGNATURE, id="base64"),
        pytest.param(f" {SIGNATURE}\t", id="blanks around it"),
        pytest.param(f"sha256={SIGNATURE}", id="marked"),
        pytest.param(f"SHA256={MAC.hexdigest()}", id="marked, in hex"),
        pytest.param(f"sha256={MAC.hexdigest().upper()}", id="marked, in upper-case hex"),
    ],
)
def test_a_signature_is_taken_in_these_forms(signature: str) -> None:
    """Whichever of the secrets it was made with."""
    for secrets in (["a secret ü"], ["newer", "a secret ü"], ["a secret ü", "older"]):
        assert is_signed(signature, BODY, secrets)


@pytest.mark.parametrize(
    "signature",
    [
        "", " ", "=", "sha256=", MAC.hexdigest(), f"sha256=sha256={SIGNATURE}", f"md5={SIGNATURE}",
        SIGNATURE.replace("=", ""), SIGNATURE + "AAAA", SIGNATURE[:-4], f"{SIGNATURE},{SIGNATURE}",
        f"sha256={MAC.hexdigest()[:62]}  ", f"sha256={'é' * 64}", "ü" * 44, "\udcff" * 44, "A" * 10_000,
    ],
)  # fmt: skip
def test_no_other_text_is_a_signature(signature: str) -> None:
    """Neither a part of one nor one with more."""
    assert not is_signed(signature, BODY, ["a secret ü"])


@pytest.mark.parametrize("place", range(32))
def test_every_byte_of_a_signature_counts(place: int) -> None:
    """One bit that differs anywhere, or an end that is missing, is another signature."""
    changed = bytearray(MAC.digest())
    changed[place] ^= 1 << place % 8
    for wrong in (bytes(changed), MAC.digest()[:place], MAC.digest() + changed[: place + 1]):
        assert not is_signed(base64.b64encode(wrong).decode(), BODY, ["a secret ü"])


@pytest.mark.parametrize("secrets", [[], ["another"], ["a secret u", "A secret ü"], ["a secret ü "]])
def test_another_secret_is_another_signature(secrets: list[str]) -> None:
    """And where there is no secret, nothing is signed."""
    assert not is_signed(SIGNATURE, BODY, secrets)


def test_another_body_is_another_signature() -> None:
    """It is the bytes that are signed, as they came."""
    assert not is_signed(SIGNATURE, BODY + b" ", ["a secret ü"])
    assert not is_signed(SIGNATURE, b"", ["a secret ü"])


def test_how_long_a_comparison_takes_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made in constant time, of whole digests, and with every secret, whatever the first one gave."""
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(webhooks, "compare_digest", compare)
    assert is_signed(SIGNATURE, BODY, ["a secret ü", "older"])
    assert compared == [(32, 32)] * 2


@given(st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from(string.hexdigits + "=/+"), max_size=90))
def test_whatever_is_said_to_be_a_signature_is_judged(text: str) -> None:
    """Nothing is raised."""
    assert not is_signed(text, BODY, ["a secret ü"])
    assert not is_signed(f"sha256={text}", BODY, ["a secret ü"])


def test_the_last_ids_are_remembered_and_no_more() -> None:
    """However many come, the memory has its bound; the oldest one goes first."""
    recent = Recent(3)
    assert [recent.has(name) for name in ("a", "b", "a", "c", "d")] == [False, False, True, False, False]
    assert [recent.has(name) for name in ("b", "c", "d")] == [True, True, True]
    assert not recent.has("a")
    assert len(recent._ids) == 3


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ((), "created started completed faulted stopped suspended"),
        (("ping", "queueItem.added"), "created started completed faulted stopped suspended"),
        (("job.started", "job.completed", "job.created"), "created started completed"),
        (("job.terminating", "job.resumed", "robot.status", "job.created"), "created resumed terminating"),
    ],
)
def test_what_is_subscribed_to_is_what_a_server_offers_about_jobs(
    offered: tuple[str, ...], wanted: str
) -> None:
    """A server refuses a type that it does not know; younger ones know more."""
    assert subscription(offered) == tuple(f"job.{name}" for name in wanted.split())
