"""The fork machine: who wins, who is released with what, what the caller is told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calls.fork import Act, Drop, Fail, Fork, Ring, Start, Win
from appliance.calls.plan import Advance, Branch, Plan, Stage
from appliance.sip.api import Answered, Dial, Ended, Progress
from appliance.types import Address, DeviceId, TrunkId

BOX = Address("192.168.1.1", 5060)
BUSY = Ended(486, "Busy Here", cause="busy")
GONE = Ended(408, cause="timeout")


def phone(name: str) -> Branch:
    return Branch(Dial(f"sip:{name}@192.168.1.50", BOX, "sip:101@x"), device=DeviceId(name))


def trunk(name: str) -> Branch:
    return Branch(Dial(f"sip:+1555@{name}", TrunkId(name), "sip:101@x"), trunk=TrunkId(name))


def phones(count: int, **stage: object) -> Fork:
    branches = tuple(phone(f"p{number}") for number in range(count))
    return Fork(Plan((Stage(branches, **({"ring_s": 20.0, "silence_s": 8.0} | stage)),), "101"), "call")  # type: ignore[arg-type]


def trunks(*names: str) -> Fork:
    return Fork(Plan(tuple(Stage((trunk(name),), 180.0, 6.0) for name in names), "+1555"), "call")


def failed(acts: list[Act]) -> tuple[int, str]:
    fail = acts[-1]
    assert isinstance(fail, Fail), acts
    return fail.outcome.code, fail.outcome.cause


def started(acts: list[Act]) -> list[int]:
    return [act.key for act in acts if isinstance(act, Start)]


@pytest.mark.row("K4")
def test_all_branches_start_together_and_the_first_answer_wins() -> None:
    fork = phones(3)
    assert started(fork.start(0.0)) == [0, 1, 2]
    acts = fork.news(1, Answered(), 1.0)
    assert isinstance(acts[0], Win)
    assert acts[0].key == 1
    assert acts[1:] == [Drop(0, True), Drop(2, True)]
    assert fork.over
    assert fork.deadline is None


def test_a_second_answer_is_released() -> None:
    fork = phones(2)
    fork.start(0.0)
    fork.news(0, Answered(), 1.0)
    assert fork.news(1, Answered(), 1.0) == [Drop(1, True)]
    assert fork.news(1, Ended(200), 1.1) == []


def test_an_answer_after_the_caller_gave_up_is_released() -> None:
    fork = phones(1)
    fork.start(0.0)
    assert fork.stop() == [Drop(0)]
    assert fork.news(0, Answered(), 1.0) == [Drop(0, True)]


def test_ringing_is_told_once_and_100_is_not_ringing() -> None:
    fork = phones(2)
    fork.start(0.0)
    assert fork.news(0, Progress(100), 0.1) == []
    assert fork.news(0, Progress(180), 0.2) == [Ring()]
    assert fork.news(1, Progress(180), 0.3) == []


def test_early_media_only_of_a_single_target() -> None:
    single = phones(1)
    single.start(0.0)
    assert single.news(0, Progress(183, early_media=True), 0.1) == [Ring(0)]
    assert single.news(0, Progress(183, early_media=True), 0.2) == []
    several = phones(2)
    several.start(0.0)
    assert several.news(0, Progress(183, early_media=True), 0.1) == [Ring()]


def test_early_media_after_a_plain_180() -> None:
    fork = phones(1)
    fork.start(0.0)
    assert fork.news(0, Progress(180), 0.1) == [Ring()]
    assert fork.news(0, Progress(183, early_media=True), 0.2) == [Ring(0)]


def test_one_decline_ends_the_fork_at_once() -> None:
    fork = phones(3)
    fork.start(0.0)
    acts = fork.news(1, Ended(603, "Decline", cause="declined"), 1.0)
    assert acts[:-1] == [Drop(0), Drop(2)]
    assert failed(acts) == (603, "declined")


def test_busy_here_of_one_phone_leaves_the_others_ringing() -> None:
    fork = phones(2)
    fork.start(0.0)
    assert fork.news(0, BUSY, 1.0) == []
    assert isinstance(fork.news(1, Answered(), 2.0)[0], Win)


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([BUSY, GONE], (486, "busy")),
        ([GONE, BUSY], (486, "busy")),
        ([BUSY, BUSY], (486, "busy")),
        ([GONE, GONE], (480, "unreachable")),
        ([GONE, Ended(503, cause="unreachable")], (480, "unreachable")),
        ([Ended(480, "Temporarily Unavailable", cause="no-answer"), GONE], (480, "unreachable")),
        ([Ended(404, cause="refused"), GONE], (480, "unreachable")),
        ([Ended(488, "Not Acceptable Here", cause="refused"), GONE], (488, "refused")),
    ],
)
def test_the_best_failure_of_phones(ends: list[Ended], told: tuple[int, str]) -> None:
    fork = phones(2)
    fork.start(0.0)
    assert fork.news(0, ends[0], 1.0) == []
    assert failed(fork.news(1, ends[1], 2.0)) == told


def test_ring_time_over_is_no_answer_and_cancels() -> None:
    fork = phones(2)
    fork.start(100.0)
    fork.news(0, Progress(180), 100.1)
    assert fork.deadline == 120.0
    assert fork.tick(119.9) == []
    acts = fork.tick(120.0)
    assert acts[:2] == [Drop(0), Drop(1)]
    assert failed(acts) == (480, "no-answer")


def test_phones_that_stay_silent_are_not_reachable() -> None:
    fork = phones(2)
    fork.start(100.0)
    assert fork.deadline == 108.0
    assert failed(fork.tick(108.0)) == (480, "unreachable")


def test_a_busy_phone_beside_a_silent_one_is_busy() -> None:
    fork = phones(2)
    fork.start(100.0)
    fork.news(0, BUSY, 101.0)
    assert failed(fork.tick(108.0)) == (486, "busy")


def test_no_branch_at_all_is_not_reachable() -> None:
    assert failed(Fork(Plan((), "101"), "call").start(0.0)) == (480, "unreachable")
    assert failed(phones(0).start(0.0)) == (480, "unreachable")


def test_a_silent_trunk_is_left_after_six_seconds() -> None:
    fork = trunks("acme", "backup")
    assert started(fork.start(0.0)) == [0]
    acts = fork.tick(6.0)
    assert acts[0] == Drop(0)
    assert started(acts) == [1]
    # The first one's late answer is nobody's call.
    assert fork.news(0, Answered(), 6.5) == [Drop(0, True)]
    assert isinstance(fork.news(1, Answered(), 7.0)[0], Win)


def test_a_trunk_that_said_100_is_given_time() -> None:
    fork = trunks("acme", "backup")
    fork.start(0.0)
    fork.news(0, Progress(100), 1.0)
    assert fork.tick(6.0) == []
    assert fork.deadline == 180.0


@pytest.mark.parametrize("ended", [Ended(503, cause="unreachable"), Ended(500), Ended(408, cause="timeout"), Ended(401), Ended(0, cause="error")])
def test_a_failed_trunk_hands_on(ended: Ended) -> None:
    fork = trunks("acme", "backup")
    fork.start(0.0)
    assert started(fork.news(0, ended, 1.0)) == [1]


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended(486, "Busy Here", cause="busy"), (486, "busy")),
        (Ended(404, "Not Found", cause="refused"), (404, "refused")),
        (Ended(484, "Address Incomplete", cause="refused"), (484, "refused")),
        (Ended(603, "Decline", cause="declined"), (603, "declined")),
        (Ended(403, "Forbidden", cause="refused"), (403, "refused")),
        (Ended(480, "Temporarily Unavailable", cause="no-answer"), (480, "unreachable")),
    ],
)
def test_what_the_called_person_decided_stands(ended: Ended, told: tuple[int, str]) -> None:
    fork = trunks("acme", "backup")
    fork.start(0.0)
    assert failed(fork.news(0, ended, 1.0)) == told


def test_all_trunks_failed_is_503_with_their_retry_after() -> None:
    fork = trunks("acme", "backup")
    fork.start(0.0)
    fork.tick(6.0)
    acts = fork.news(1, Ended(503, "Maintenance", cause="unreachable", retry_after=30), 7.0)
    assert failed(acts) == (503, "unreachable")
    assert isinstance(acts[-1], Fail)
    assert ("Retry-After", "30") in acts[-1].outcome.headers()


def test_early_media_of_a_failed_trunk_gives_way_to_ringback() -> None:
    fork = trunks("acme", "backup")
    fork.start(0.0)
    assert fork.news(0, Progress(183, early_media=True), 1.0) == [Ring(0)]
    acts = fork.news(0, Ended(503, cause="unreachable"), 2.0)
    assert acts[0] == Ring()
    assert started(acts) == [1]
    assert fork.news(1, Progress(180), 2.5) == [], "the ringback plays already"
    assert fork.news(1, Progress(183, early_media=True), 3.0) == [Ring(1)]


def test_ringback_is_not_begun_again_at_every_further_trunk() -> None:
    fork = trunks("acme", "backup", "third")
    fork.start(0.0)
    fork.news(0, Progress(183, early_media=True), 1.0)
    fork.news(0, Ended(503, cause="unreachable"), 2.0)
    assert fork.news(1, Ended(503, cause="unreachable"), 3.0) == [Start(2, trunk("third"))]


def test_stages_that_always_advance_go_on_after_busy_and_decline() -> None:
    stages = tuple(Stage((phone(name),), 30.0, 8.0, Advance.ALWAYS) for name in ("caller", "security"))
    for ended in (BUSY, Ended(603, cause="declined")):
        fork = Fork(Plan(stages, "+12125550100"), "call")
        fork.start(0.0)
        assert started(fork.news(0, ended, 1.0)) == [1]
        assert failed(fork.news(1, ended, 2.0))[0] == ended.code


def test_ring_timeout_of_a_stage_that_always_advances() -> None:
    stages = tuple(Stage((phone(name),), 30.0, 8.0, Advance.ALWAYS) for name in ("caller", "security"))
    fork = Fork(Plan(stages, "x"), "call")
    fork.start(0.0)
    fork.news(0, Progress(180), 0.1)
    acts = fork.tick(30.0)
    assert acts[0] == Drop(0)
    assert started(acts) == [1]


# ---- staggered branches ----


def staggered(*times: tuple[float, float], **stage: object) -> Fork:
    """A branch per (after_s, ring_s), of one stage of 60 s."""
    branches = tuple(replace(phone(f"p{number}"), after_s=after_s, ring_s=ring_s) for number, (after_s, ring_s) in enumerate(times))
    return Fork(Plan((Stage(branches, **({"ring_s": 60.0, "one_person": False} | stage)),), "101"), "call")  # type: ignore[arg-type]


@pytest.mark.row("A5")
def test_a_branch_starts_and_ends_at_its_own_time() -> None:
    fork = staggered((0, 15), (10, 20))
    assert started(fork.start(0.0)) == [0]
    fork.news(0, Progress(180), 1.0)
    assert fork.deadline == 10.0
    assert started(fork.tick(10.0)) == [1]
    assert fork.tick(15.0) == [Drop(0)]
    fork.news(1, Progress(180), 16.0)
    assert fork.deadline == 30.0
    assert failed(fork.tick(30.0)) == (480, "no-answer")


def test_the_next_one_starts_at_once_when_nothing_rings_any_more() -> None:
    fork = staggered((0, 20), (10, 20), (15, 20))
    fork.start(0.0)
    assert started(fork.news(0, BUSY, 2.0)) == [1]
    assert fork.deadline == 7.0, "the third keeps its distance to the second"
    assert started(fork.tick(7.0)) == [2]


def test_a_decline_of_one_of_several_people_is_only_their_own() -> None:
    fork = staggered((0, 20), (0, 20))
    fork.start(0.0)
    assert fork.news(0, Ended(603, cause="declined"), 1.0) == []
    fork.news(1, Progress(180), 1.0)
    assert failed(fork.tick(20.0))[0] == 603


def test_a_trunk_that_fails_among_phones_gives_way_to_the_next_within_its_time() -> None:
    way = replace(trunk("a"), ring_s=30.0, silence_s=6.0, then=replace(trunk("b"), silence_s=6.0))
    fork = Fork(Plan((Stage((phone("p0"), way), 40.0, one_person=False),), "101"), "call")
    assert started(fork.start(0.0)) == [0, 1]
    fork.news(0, Progress(180), 0.5)
    acts = fork.tick(6.0)
    assert acts[0] == Drop(1)
    assert started(acts) == [2]
    assert [act.branch.trunk for act in acts if isinstance(act, Start)] == ["b"]
    fork.news(2, Progress(180), 7.0)
    assert fork.deadline == 30.0, "both lines together have the time of the one target"


def test_giving_up_releases_what_rings_and_forgets_what_waits() -> None:
    fork = staggered((0, 20), (10, 20))
    fork.start(0.0)
    assert fork.stop() == [Drop(0)]
    assert fork.tick(10.0) == []


@given(
    times=st.lists(st.tuples(st.integers(0, 40), st.integers(5, 60)), min_size=1, max_size=6),
    news=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["ring", "busy", "decline", "answer", "gone"]), st.floats(0.1, 30.0)), max_size=12),
)
def test_whatever_happens_every_branch_is_released_once_and_the_fork_ends(times: list[tuple[int, int]], news: list[tuple[int, str, float]]) -> None:
    fork = staggered(*((float(after), float(rings)) for after, rings in times))
    kinds = {"ring": Progress(180), "busy": BUSY, "decline": Ended(603, cause="declined"), "answer": Answered(), "gone": GONE}
    live: set[int] = set()
    now, end = 0.0, 0

    def carry_out(acts: list[Act]) -> None:
        nonlocal end
        for act in acts:
            match act:
                case Start(key):
                    assert key not in live
                    live.add(key)
                case Drop(key):
                    assert key in live
                    live.discard(key)
                case Win(key):
                    live.discard(key)
                    end += 1
                case Fail():
                    end += 1

    carry_out(fork.start(now))
    for key, kind, wait in news:
        target = now + wait
        while fork.deadline is not None and fork.deadline <= target:
            now = fork.deadline
            carry_out(fork.tick(now))
        now = target
        if key in live:
            if kind in ("busy", "decline", "gone"):
                live.discard(key)
            carry_out(fork.news(key, kinds[kind], now))
    while fork.deadline is not None:
        assert fork.deadline >= now or fork.deadline <= 60.0
        now = max(now, fork.deadline)
        carry_out(fork.tick(now))
    assert end == 1
    assert not live
    assert now <= 60.0 + sum(wait for _, _, wait in news)
