"""What becomes of a call to a user, and when which line of a list rings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.people.forwarding import Happened, Ring, Stage, first, plan, rings, then
from appliance.site.model.people import Forwarding, ForwardStep, User

STEPS = st.lists(
    st.one_of(
        st.builds(ForwardStep, user=st.sampled_from(["dana", "lee"]), delay_seconds=st.integers(0, 60), ring_seconds=st.integers(5, 60)),
        st.builds(ForwardStep, number=st.sampled_from(["205", "912025550147"]), delay_seconds=st.integers(0, 60), ring_seconds=st.integers(5, 60)),
        st.builds(ForwardStep, delay_seconds=st.integers(0, 60)),
    ),
    max_size=6,
).map(tuple)
FORWARDING = st.builds(Forwarding, no_answer=STEPS, busy=STEPS, follow_me=STEPS, follow_me_on=st.booleans(), voicemail=st.booleans())


def user(forwarding: Forwarding) -> User:
    return User(name="Dana", extension="205", forwarding=forwarding)


@given(FORWARDING, st.lists(st.sampled_from(Happened), min_size=4, max_size=4))
@pytest.mark.row("A5")
@pytest.mark.row("A6")
def test_a_call_ends_after_at_most_three_stages_voicemail_last(forwarding: Forwarding, happened: list[Happened]) -> None:
    who = user(forwarding)
    way = [first(who)]
    for what in happened:
        if way[-1] is Stage.OVER:
            break
        way.append(then(who, way[-1], what))
    assert way[-1] is Stage.OVER
    assert len(way) <= 4
    assert (Stage.VOICEMAIL in way) == forwarding.voicemail
    if Stage.VOICEMAIL in way:
        assert way[-2] is Stage.VOICEMAIL
    # Follow-me: the own phones do not ring, and the lists do not count.
    assert (Stage.PHONES in way) != forwarding.follow_me_on
    if forwarding.follow_me_on:
        assert not {Stage.NO_ANSWER, Stage.BUSY} & set(way)
    for stage in {Stage.FOLLOW_ME, Stage.NO_ANSWER, Stage.BUSY} & set(way):
        assert rings(who, stage) or all(not (step.user or step.number) for step in _list(forwarding, stage))


def _list(forwarding: Forwarding, stage: Stage) -> tuple[ForwardStep, ...]:
    return {Stage.FOLLOW_ME: forwarding.follow_me, Stage.NO_ANSWER: forwarding.no_answer, Stage.BUSY: forwarding.busy}[stage]


@pytest.mark.row("A5")
@pytest.mark.parametrize(("happened", "stage"), [(Happened.NO_ANSWER, Stage.NO_ANSWER), (Happened.FAILED, Stage.NO_ANSWER), (Happened.BUSY, Stage.BUSY)])
def test_each_list_has_its_cause(happened: Happened, stage: Stage) -> None:
    who = user(Forwarding(no_answer=(ForwardStep(user="lee"),), busy=(ForwardStep(user="kim"),)))
    assert then(who, Stage.PHONES, happened) is stage
    assert then(who, stage, Happened.NO_ANSWER) is Stage.VOICEMAIL


@given(STEPS, st.integers(0, 130))
@pytest.mark.row("A5")
def test_at_every_second_exactly_those_ring_that_the_list_says(steps: tuple[ForwardStep, ...], second: int) -> None:
    now = second + 0.5
    said = {(step.user, step.number) for step in steps if (step.user or step.number) and step.delay_seconds <= now < step.delay_seconds + step.ring_seconds}
    ringing = [(ring.user, ring.number or None) for ring in plan(steps) if ring.delay_s <= now < ring.delay_s + ring.ring_s]
    assert set(ringing) == said
    assert len(ringing) == len(said), "nobody rings twice at once"


@given(STEPS)
def test_lines_come_in_the_order_they_begin(steps: tuple[ForwardStep, ...]) -> None:
    begins = [ring.delay_s for ring in plan(steps)]
    assert begins == sorted(begins)


def test_lines_that_begin_together_keep_the_order_written() -> None:
    steps = (ForwardStep(user="lee", delay_seconds=5), ForwardStep(number="205"), ForwardStep(user="dana"))
    assert plan(steps) == (Ring(None, "205", 0.0, 20.0), Ring("dana", "", 0.0, 20.0), Ring("lee", "", 5.0, 20.0))  # type: ignore[arg-type]
