"""What is in hand and waits for its moment."""

import weakref

from post import Post

from worker.domain.flight.steps import Patience
from worker.tracking.hold.moulds import Moulds
from worker.tracking.slots import Slot, Slots


class _Watched(Slot):
    __slots__ = ("__weakref__",)


def _held(post: Post, slots: Slots, generation: int) -> _Watched:
    """A slot of the post's job that is looked at in ten seconds."""
    delivery = post.delivery(generation=generation)
    document = {**post.known, "generation": generation}
    slot = _Watched(delivery.receipt, Moulds(), delivery.message.body, document)
    slots.hold(slot, 0)
    slots.later(slot, 10)
    return slot


async def test_what_is_let_go_of_before_its_moment_is_not_kept_until_then() -> None:
    """Of very many jobs one is told each millisecond: they would be thousands."""
    slots = Slots(Patience(), 0)
    slot = _held(Post(), slots, 0)
    watched = weakref.ref(slot)
    slots.drop(slot)
    del slot
    assert watched() is None
    assert slots.due(20) == []


async def test_who_takes_the_place_of_another_is_looked_at_once() -> None:
    """When its own moment has come, be it the same or later."""
    post, slots = Post(), Slots(Patience(), 0)
    _held(post, slots, 0)
    younger = _held(post, slots, 1)
    assert slots.due(9.5) == []
    assert slots.due(20) == [younger]
    slots.later(younger, 30)
    _held(post, slots, 2).due = -1
    assert slots.due(40) == []
