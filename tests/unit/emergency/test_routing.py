"""The way of an emergency call over its paths: every rule alone, then thousands of random calls against the rules."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.emergency.conveyance import REFUSES_LOCATION
from appliance.emergency.routing import Action, Cancel, EmergencyRoute, GiveUp, Path, RouteState, Send, Won, order, pause_s

A, B, C = Path("a"), Path("b"), Path("c")


def route(*paths: Path, **kwargs) -> EmergencyRoute:
    return EmergencyRoute(paths, call_id="call", **kwargs)


def test_the_first_path_is_sent_at_once_with_the_location():
    machine = route(A, B)
    assert machine.start(10.0) == (Send(1, "a", True),)
    assert machine.next_deadline == 14.0


def test_a_silent_path_is_cancelled_after_four_seconds_and_the_next_tried():
    machine = route(A, B)
    machine.start(0.0)
    assert machine.on_tick(3.99) == ()
    assert machine.on_tick(4.0) == (Cancel(1), Send(2, "b", True))
    assert machine.attempts[0].outcome == "silent"


def test_a_slow_path_is_left_its_own_time_and_longer_while_there_is_no_other():
    modem = Path("modem", location=False, silent_s=12.0, alone_s=60.0)
    machine = route(A, modem)
    machine.start(0.0)
    assert machine.on_tick(4.0) == (Cancel(1), Send(2, "modem", False))
    assert machine.on_tick(15.9) == ()
    assert machine.on_tick(16.0) == (Cancel(2),)
    alone = route(modem)
    alone.start(0.0)
    assert alone.on_tick(59.9) == ()
    assert alone.on_failed(1, 503, 59.9) == () and alone.state is RouteState.PAUSED, "its own end, not ours"
    late = route(modem, A, total_s=10.0)
    late.start(0.0)
    assert late.next_deadline == 60.0, "after the total deadline there is no other either"


def test_100_buys_no_time():
    machine = route(A, B)
    machine.start(0.0)
    assert machine.on_progress(1, 100, 3.9) == ()
    assert machine.on_tick(4.0) == (Cancel(1), Send(2, "b", True))


@pytest.mark.parametrize("code", [180, 181, 182, 183])
def test_a_path_that_rings_is_left_a_minute(code):
    machine = route(A, B)
    machine.start(0.0)
    machine.on_progress(1, code, 2.0)
    assert machine.state is RouteState.RINGING
    machine.on_progress(1, code, 30.0)
    assert machine.next_deadline == 62.0
    assert machine.on_tick(61.9) == ()
    assert machine.on_tick(62.0) == (Cancel(1), Send(2, "b", True))


def test_199_is_no_sign_of_life():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_progress(1, 199, 1.0)
    assert machine.on_tick(4.0) == (Cancel(1), Send(2, "b", True))


def test_the_only_path_is_left_to_ring():
    machine = route(A)
    machine.start(0.0)
    machine.on_progress(1, 180, 1.0)
    assert machine.next_deadline is None
    assert machine.on_tick(1000.0) == ()
    assert machine.on_answered(1, 1001.0) == (Won(1, "a"),)


def test_past_the_total_deadline_a_ringing_path_is_still_left_to_ring():
    machine = route(A, B, total_s=30.0)
    machine.start(0.0)
    machine.on_progress(1, 180, 1.0)
    assert machine.next_deadline is None
    assert machine.on_failed(1, 480, 90.0)[0].__class__ is GiveUp


@pytest.mark.parametrize("code", [0, 301, 302, 401, 403, 404, 407, 408, 480, 486, 500, 503, 600, 603])
def test_a_failure_tries_the_next_path_at_once(code):
    machine = route(A, B)
    machine.start(0.0)
    assert machine.on_failed(1, code, 0.1) == (Send(2, "b", True),)
    assert machine.next_deadline == 4.1


@pytest.mark.parametrize("code", [400, 415, 424, 488, 513])
def test_a_path_that_refuses_the_location_is_asked_once_more_without_it(code):
    machine = route(A, B)
    machine.start(0.0)
    assert machine.on_failed(1, code, 0.1) == (Send(2, "a", False),)
    assert machine.next_deadline == 4.1
    assert machine.on_failed(2, code, 0.2) == (Send(3, "b", True),)
    assert [attempt.outcome for attempt in machine.attempts] == ["refused", "failed", ""]


def test_what_refused_the_location_is_not_asked_with_it_again_in_the_next_round():
    machine = route(A)
    machine.start(0.0)
    machine.on_failed(1, 415, 0.1)
    assert machine.on_failed(2, 503, 0.2) == ()
    assert machine.on_tick(machine.next_deadline or 0.0) == (Send(3, "a", False),)


def test_a_path_that_cannot_carry_a_location_gets_none():
    machine = route(Path("modem", location=False), A)
    assert machine.start(0.0) == (Send(1, "modem", False),)
    assert machine.on_failed(1, 488, 0.1) == (Send(2, "a", True),)


def test_after_the_last_path_comes_the_first_again_after_a_pause():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_failed(1, 503, 1.0)
    assert machine.on_failed(2, 503, 2.0) == ()
    assert machine.state is RouteState.PAUSED
    assert machine.next_deadline == 2.5
    assert machine.on_tick(2.4) == ()
    assert machine.on_tick(2.5) == (Send(3, "a", True),)


def test_the_pause_grows_to_four_seconds_and_is_jittered():
    assert [pause_s(rounds, 0.5) for rounds in (1, 2, 3, 4, 5, 2000)] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert (pause_s(1, 0.0), pause_s(1, 1.0)) == (0.375, 0.625)


def test_the_first_answer_wins():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_progress(1, 180, 1.0)
    assert machine.on_answered(1, 5.0) == (Won(1, "a"),)
    assert machine.state is RouteState.WON
    assert machine.next_deadline is None
    assert machine.on_tick(500.0) == machine.on_failed(1, 0, 6.0) == machine.on_hangup(7.0) == machine.on_answered(1, 8.0) == ()


def test_a_late_answer_of_a_path_given_up_wins_when_nobody_has():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_tick(4.0)
    machine.on_progress(2, 180, 5.0)
    assert machine.on_answered(1, 5.5) == (Won(1, "a"), Cancel(2))
    assert machine.on_answered(2, 5.6) == (Cancel(2),)
    assert machine.winner is not None and machine.winner.path == "a"


def test_a_late_answer_in_the_pause_between_rounds_wins():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_tick(4.0)
    machine.on_failed(2, 503, 4.1)
    assert machine.on_answered(1, 4.2) == (Won(1, "a"),)


def test_a_late_answer_after_the_winner_is_released():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_tick(4.0)
    machine.on_answered(2, 5.0)
    assert machine.on_answered(1, 5.1) == (Cancel(1),)


def test_the_caller_hanging_up_stops_everything():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_progress(1, 180, 1.0)
    assert machine.on_hangup(2.0) == (Cancel(1),)
    assert machine.state is RouteState.HUNG_UP
    assert machine.next_deadline is None
    assert machine.on_failed(1, 487, 2.1) == machine.on_tick(99.0) == ()
    assert machine.on_answered(1, 2.2) == (Cancel(1),)


def test_it_gives_up_only_at_the_total_deadline():
    machine = route(A, total_s=20.0)
    machine.start(0.0)
    sent, now = 1, 0.0
    while machine.state is not RouteState.GIVEN_UP:
        assert machine.next_deadline is not None
        now = machine.next_deadline
        actions = machine.on_tick(now)
        sent += sum(isinstance(action, Send) for action in actions)
    assert 20.0 <= now <= 24.0
    assert sent == 4
    assert machine.on_answered(1, now) == (Cancel(1),)


def test_no_path_at_all_is_said_at_once():
    machine = route()
    actions = machine.start(0.0)
    assert len(actions) == 1 and isinstance(actions[0], GiveUp)
    assert machine.state is RouteState.GIVEN_UP


def test_news_of_old_attempts_changes_nothing():
    machine = route(A, B)
    machine.start(0.0)
    machine.on_tick(4.0)
    deadline = machine.next_deadline
    assert machine.on_failed(1, 487, 4.1) == machine.on_progress(1, 180, 4.1) == machine.on_failed(77, 500, 4.1) == machine.on_answered(77, 4.1) == ()
    assert machine.next_deadline == deadline


def test_the_order_of_paths_excludes_nothing():
    paths = [Path("off", enabled=False), Path("sick", rank=2), Path("one"), Path("two"), Path("off-sick", enabled=False, rank=2)]
    assert [path.id for path in order(paths)] == ["one", "two", "sick", "off", "off-sick"]
    assert [path.id for path in order(paths, "two")] == ["two", "one", "sick", "off", "off-sick"]
    assert [path.id for path in order(paths, "sick")] == ["one", "two", "sick", "off", "off-sick"]


# ---- random calls ------------------------------------------------------------------------------------------------


@dataclass
class World:
    """Plays the network to a machine and checks the rules on every action."""

    machine: EmergencyRoute
    live: set[int] = field(default_factory=set)
    sent: dict[int, Send] = field(default_factory=dict)
    won: list[int] = field(default_factory=list)
    gave_up: int = 0
    now: float = 0.0

    def take(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Send():
                    assert not self.live, "two attempts at once"
                    assert not self.won and not self.gave_up
                    assert action.attempt not in self.sent
                    self.sent[action.attempt] = action
                    self.live.add(action.attempt)
                case Cancel(attempt):
                    assert attempt in self.sent
                    self.live.discard(attempt)
                case Won(attempt, path):
                    assert not self.won and not self.gave_up
                    assert self.sent[attempt].path == path
                    self.won.append(attempt)
                case GiveUp():
                    assert not self.live and not self.won
                    self.gave_up += 1
        if self.won:
            assert self.live <= set(self.won), "another attempt lives on beside the winner"
        waits_for_news = self.machine.state is RouteState.RINGING
        if not self.won and not self.gave_up and self.machine.state is not RouteState.HUNG_UP:
            assert self.live or self.machine.state is RouteState.PAUSED, "nothing under way for a caller on the line"
            assert self.machine.next_deadline is not None or waits_for_news


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.0, 70.0)),
        st.tuples(st.just("deadline"), st.just(0.0)),
        st.tuples(st.just("progress"), st.sampled_from([100, 180, 183, 199])),
        st.tuples(st.just("fail"), st.sampled_from([0, 302, 400, 401, 415, 424, 486, 488, 503, 513, 603])),
        st.tuples(st.just("late"), st.integers(0, 20)),
        st.tuples(st.just("late-fail"), st.integers(0, 20)),
        st.tuples(st.just("answer"), st.just(0)),
        st.tuples(st.just("hangup"), st.just(0)),
    ),
    max_size=60,
)
PATHS = st.lists(st.builds(Path, st.uuids().map(str), location=st.booleans()), min_size=1, max_size=5)


def play(world: World, event: str, value: float) -> None:
    machine = world.machine
    attempt = next(iter(world.live), 0)
    match event:
        case "wait":
            world.now += value
            world.take(machine.on_tick(world.now))
        case "deadline" if machine.next_deadline is not None:
            world.now = max(world.now, machine.next_deadline)
            world.take(machine.on_tick(world.now))
        case "progress":
            world.take(machine.on_progress(attempt, int(value), world.now))
        case "fail" if not world.won:
            world.live.discard(attempt)
            world.take(machine.on_failed(attempt, int(value), world.now))
        case "late" if (old := int(value)) in world.sent and old not in world.live and not world.won:
            before = machine.state
            world.live.add(old)
            world.take(machine.on_answered(old, world.now))
            assert bool(world.won) == (before not in (RouteState.GIVEN_UP, RouteState.HUNG_UP))
            assert bool(world.won) or old not in world.live
        case "late-fail" if (old := int(value)) in world.sent and old not in world.live:
            world.take(machine.on_failed(old, 487, world.now))
        case "answer" if attempt and not world.won:
            world.take(machine.on_answered(attempt, world.now))
            assert world.won == [attempt]
        case "hangup":
            world.take(machine.on_hangup(world.now))
            if not world.won:
                assert not world.live
        case _:
            pass


@settings(max_examples=400, deadline=None)
@given(PATHS, EVENTS, st.floats(0.0, 400.0), st.floats(0.0, 1.0))
def test_whatever_happens_the_rules_hold(paths, events, total_s, jitter):
    world = World(EmergencyRoute(paths, call_id="call", total_s=total_s, jitter=jitter))
    world.take(world.machine.start(0.0))
    refused = set()
    for event, value in events:
        # An attempt that refused may still answer late: its outcome alone does not tell.
        if event == "fail" and value in REFUSES_LOCATION and not world.won:
            refused |= world.live
        play(world, event, value)
    plain = {path.id for path in paths if not path.location}
    for attempt in world.machine.attempts:
        assert attempt.with_location == (attempt.path not in plain)
        if attempt.id in refused:
            plain.add(attempt.path)


@settings(max_examples=200, deadline=None)
@given(PATHS, st.lists(st.sampled_from(["silent", "100", "ring", "refuse", "fail"]), min_size=1, max_size=12), st.floats(0.0, 1.0))
def test_a_call_nobody_answers_tries_every_path_and_ends(paths, behaviour, jitter):
    total_s = 61.0 * len(paths) + 200.0
    world = World(EmergencyRoute(paths, call_id="call", total_s=total_s, jitter=jitter))
    world.take(world.machine.start(0.0))
    for step in range(5000):
        if world.gave_up:
            break
        what = behaviour[step % len(behaviour)]
        if world.live and what == "100":
            play(world, "progress", 100)
        elif world.live and what == "ring":
            play(world, "progress", 180)
            if world.machine.next_deadline is None:
                world.now += 200.0
                play(world, "fail", 480)
        elif world.live and what == "refuse":
            play(world, "fail", 415)
        elif world.live and what == "fail":
            world.now += 0.01
            play(world, "fail", 503)
        if not world.gave_up:
            play(world, "deadline", 0.0)
    assert world.gave_up == 1
    assert {send.path for send in world.sent.values()} == {path.id for path in paths}
    assert world.now <= total_s + 200.0


@settings(max_examples=200, deadline=None)
@given(PATHS, st.data())
def test_one_good_path_among_any_others_is_always_reached(paths, data):
    good = data.draw(st.sampled_from(paths)).id
    world = World(EmergencyRoute(paths, call_id="call"))
    world.take(world.machine.start(0.0))
    while not world.won:
        attempt = next(iter(world.live))
        if world.sent[attempt].path == good:
            play(world, "answer", 0)
        else:
            play(world, data.draw(st.sampled_from(["deadline", "fail"])), 503)
    assert world.now <= 4.0 * len(paths)
