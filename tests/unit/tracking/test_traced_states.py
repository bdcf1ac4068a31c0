"""A job's states belong to its request's trace, however much later and by whomever they are told."""

from post import Post
from recorded import PARENT_ID, TRACE_ID, TRACEPARENT, Recorded, about, carried_by, parent_of, trace_of


def _followed(**known: str) -> tuple[Post, Recorded]:
    """A tracker whose job runs, goes on running, and ends; and its tracing."""
    tracing = Recorded()
    post = Post(tracing)
    post.known |= known
    post.tenant.meets("job", None, post.row("Running"), post.row("Running"), post.row("Successful"))
    return post, tracing


async def test_a_state_is_told_in_the_trace_of_its_request() -> None:
    """Each event carries its span, under what the job is followed by; a look that tells nothing is none."""
    post, tracing = _followed(traceparent=TRACEPARENT)
    await post.follow_to_the_end()
    names = [span.name.rpartition(":")[2] for span in tracing.spans]
    assert names == post.outbox.keys() == ["job.state.running", "job.state.successful"]
    for span, event in zip(tracing.spans, post.outbox.events, strict=True):
        assert (trace_of(span), parent_of(span)) == (TRACE_ID, int(PARENT_ID, 16))
        assert event.document()["traceparent"] == carried_by(span)
        assert about(span)["cloudevents.event_subject"] == post.job.key
    assert post.outbox.tracked[-1]["traceparent"] == TRACEPARENT


async def test_a_job_without_a_trace_is_told_of_without_one() -> None:
    """It was started before tracing was turned on: each state would be a trace of its own."""
    post, tracing = _followed()
    await post.follow_to_the_end()
    assert tracing.spans == []
    assert post.outbox.keys() == ["job.state.running", "job.state.successful"]
