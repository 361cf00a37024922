"""Recording a leg: all of what its far end says and nothing else, whatever becomes of the call's media, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.baresip import Baresip
from tests.support.carrier import Carrier
from tests.support.proc import wait_until
from tests.support.sites import secret
from tests.support.tone import PROOF, longest_gap_ms, tone_fraction, tone_seconds, tone_wav


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_pjsua2_phone_is_recorded(up, tmp_path: Path, rate: int) -> None:
    _, call, leg = up()
    leg.record(rate)
    wait_until(lambda: leg.seconds(rate) >= 3, 6, "3 s recorded", interval_s=0.05)
    call.wait_heard(100, 1)  # silence, but RTP: who hears none at all may hang up
    leg.stop_recording()
    assert tone_fraction(leg.recording(tmp_path / "rec.wav", rate), seconds=2.8) >= PROOF
    pieces = leg.pieces()
    assert [e["last"] for e in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(e["lost_ms"] == 0 for e in pieces)
    # 0.3 of full scale, as the phone's tone is.
    loud = [e["level"] for e in pieces[1:-1]]
    assert all(6000 < level < 8000 for level in loud), loud
    assert len(pieces) > 3 * 2, "a few a second"


def test_a_baresip_phone_is_recorded_until_it_hangs_up(bare, opened, tmp_path: Path) -> None:
    box = bare()
    phone: Baresip = opened.enter_context(Baresip(tmp_path / "b", codecs=("pcma",)))
    assert phone.register("201", secret(201), box.sip)["type"] == "REGISTER_OK"
    phone.dial(box.uri("900"))
    leg = box.incoming().answer()
    leg.record()
    wait_until(lambda: leg.seconds() >= 2.5, 6, "2.5 s recorded", interval_s=0.05)
    phone.hangup()
    leg.wait_news("Ended")
    assert tone_fraction(leg.recording(tmp_path / "rec.wav"), seconds=2.2) >= PROOF
    kinds = [e["news"] for e in leg.news()]
    assert kinds[-1] == "Ended"
    assert [e["last"] for e in leg.pieces()].count(True) == 1
    assert leg.pieces()[-1]["last"], "told before the end of the leg"


def test_silence_has_a_level_of_nothing(up) -> None:
    _, call, leg = up()
    call.silence()
    leg.record()
    wait_until(lambda: any(e["level"] < 50 for e in leg.pieces() if e["pcm"]), 5, "a piece without sound")
    call.silence(False)
    wait_until(lambda: leg.pieces()[-1]["level"] > 6000, 5, "a loud piece")


def test_what_is_played_to_a_leg_is_not_recorded_from_it(up, tmp_path: Path) -> None:
    _, call, leg = up()
    leg.record()
    playback = leg.play(tone_wav(tmp_path / "sound.wav", 700, 2.0))
    leg.wait_news("PlaybackEnded", playback=playback)
    leg.stop_recording()
    recorded = leg.recording(tmp_path / "rec.wav")
    assert tone_seconds(call.recording, 700) > 1.5
    assert tone_fraction(recorded, 1000, 1.8) >= PROOF
    assert tone_seconds(recorded, 700) == 0


def test_recording_survives_hold_and_resume_by_either_side(up, tmp_path: Path) -> None:
    _, call, leg = up()
    leg.record()
    wait_until(lambda: leg.seconds() >= 1, 5, "recording")
    call.hold()
    call.resume()
    before = leg.seconds()
    wait_until(lambda: leg.seconds() >= before + 1, 5, "recording after the peer's hold")
    media = len(leg.news("MediaChanged"))
    leg.hold()
    wait_until(lambda: len(leg.news("MediaChanged")) > media, 5, "our hold")
    leg.resume()
    wait_until(lambda: len(leg.news("MediaChanged")) > media + 1, 5, "our resume")
    before = tone_seconds(leg.recording(tmp_path / "before.wav"))
    wait_until(lambda: tone_seconds(leg.recording(tmp_path / "rec.wav")) >= before + 1, 5, "the tone again", interval_s=0.1)
    leg.stop_recording()
    assert sum(e["lost_ms"] for e in leg.pieces()) == 0


def test_time_without_media_is_silence_not_a_cut(bare, opened, tmp_path: Path) -> None:
    """An inactive re-INVITE stops all media for a while; what is recorded keeps the time."""
    box = bare()
    carrier: Carrier = opened.enter_context(Carrier())
    call = carrier.call(box.uri("900"), box.sip, from_uri=box.uri("201"), user="201", secret=secret(201)).sign_in()
    leg = box.incoming()
    leg.do("answer")
    call.wait_answer()
    leg.record()
    wait_until(lambda: leg.seconds() >= 1, 5, "recording")
    begin = leg.news("Recorded")[0]["at"]
    assert call.request("INVITE", body=call.sdp("inactive")).status == 200
    leg.wait_news("MediaChanged", held_by_peer=True)
    before = leg.seconds()
    wait_until(lambda: leg.seconds() >= before + 1, 5, "time goes on")
    assert call.request("INVITE", body=call.sdp()).status == 200
    before = tone_seconds(leg.recording(tmp_path / "rec.wav"))
    wait_until(lambda: tone_seconds(leg.recording(tmp_path / "rec.wav")) >= before + 0.5, 5, "the tone again", interval_s=0.1)
    leg.stop_recording()
    took = leg.news("Recorded")[-1]["at"] - begin
    assert leg.seconds() == pytest.approx(took, abs=0.6)
    assert longest_gap_ms(leg.recording(tmp_path / "rec.wav")) >= 900


def test_recording_in_early_media_begins_before_the_answer(bare, phone, tmp_path: Path) -> None:
    box = bare()
    caller = phone("p201")
    assert caller.register("201", secret(201), box.sip).ok
    call = caller.call(box.uri("900"))
    leg = box.incoming()
    leg.record()
    leg.ring(183)
    call.wait("EARLY")
    wait_until(lambda: tone_seconds(leg.recording(tmp_path / "rec.wav")) >= 1, 6, "the caller, unanswered", interval_s=0.1)
    assert call.state == "EARLY"
    before = leg.seconds()
    leg.answer()
    wait_until(lambda: leg.seconds() >= before + 1, 5, "and on after the answer")
    assert longest_gap_ms(leg.recording(tmp_path / "rec.wav")) < 100


def test_joined_legs_are_recorded_through_the_bridge_and_forwarded_again_after(bare, phone, tmp_path: Path) -> None:
    box = bare()
    legs, calls = [], []
    for user, hz in (("201", 1000), ("202", 1500)):
        one = phone(f"p{user}", freq_hz=hz)
        assert one.register(user, secret(user), box.sip).ok
        calls.append(one.call(box.uri("900")))
        legs.append(box.incoming().answer())
    box.join(*legs)
    wait_until(lambda: box.counts()["links"] == 1, 5, "forwarding")
    legs[0].record()
    wait_until(lambda: legs[0].seconds() >= 2, 6, "2 s recorded", interval_s=0.05)
    legs[0].stop_recording()
    assert tone_fraction(legs[0].recording(tmp_path / "rec.wav"), 1000, 1.5) >= PROOF
    wait_until(lambda: box.counts()["links"] == 2, 5, "forwarding again")
    heard = tone_seconds(calls[0].recording, 1500)
    wait_until(lambda: tone_seconds(calls[0].recording, 1500) > heard + 0.5, 5, "the other one still", interval_s=0.1)


def test_what_a_stalled_box_could_not_keep_is_counted(up) -> None:
    box, _, leg = up()
    leg.record()
    wait_until(lambda: leg.seconds() >= 0.5, 5, "recording")
    box.stall(7.0)
    wait_until(lambda: any(e["lost_ms"] for e in leg.pieces()), 5, "what was lost")
    leg.stop_recording()
    lost = [e["lost_ms"] for e in leg.pieces() if e["lost_ms"]]
    assert len(lost) == 1
    begin, end = leg.news("Recorded")[0]["at"], leg.news("Recorded")[-1]["at"]
    assert leg.seconds() + lost[0] / 1000 == pytest.approx(end - begin, abs=0.8)
    assert 1000 < lost[0] < 3000


def test_under_a_backlog_of_news_sound_waits_and_is_lost_in_the_end_but_counted(up) -> None:
    box, _, leg = up()
    leg.record()
    wait_until(lambda: leg.seconds() >= 0.5, 5, "recording")
    box.stall_loop(8.0, news_limit=5)
    wait_until(lambda: any(e["lost_ms"] for e in leg.pieces()), 5, "what was lost")
    begin, pieces = leg.news("Recorded")[0]["at"], leg.pieces()
    lost = next(e for e in pieces if e["lost_ms"])
    so_far = sum(len(e["pcm"]) for e in pieces[: pieces.index(lost) + 1]) / 16000
    assert so_far + lost["lost_ms"] / 1000 == pytest.approx(lost["at"] - begin, abs=1.0)
    assert 500 < lost["lost_ms"] < 3000
    leg.stop_recording()


def test_a_second_recording_ends_the_first(up) -> None:
    _, _, leg = up()
    leg.record()
    wait_until(lambda: leg.seconds() > 0.5, 5, "recording")
    leg.record(16000)
    wait_until(lambda: leg.pieces(last=True), 5, "the end of the first")
    before = len(leg.pieces())
    wait_until(lambda: len(leg.pieces()) > before + 1, 5, "the second")
    leg.stop_recording()
    leg.do("stop_recording")
    leg.record(7999)
    wait_until(lambda: len(leg.pieces(last=True)) == 3, 5, "a rate that cannot be had ends at once")


def test_nothing_is_left_after_500_recordings_and_sounds(up, tmp_path: Path) -> None:
    import psutil

    box, call, leg = up()
    sound = tone_wav(tmp_path / "sound.wav", 700, 5.0)
    process = psutil.Process(box.program.pid)

    def cycle(times: int) -> None:
        for _ in range(times):
            leg.record()
            leg.play(sound)
            leg.do("stop_recording")
            leg.stop_playing()
        wait_until(lambda: box.counts()["sounds"] == 0, 5, "no sound in memory")

    before = box.counts()["ports"]
    cycle(100)
    wait_until(lambda: box.counts()["ports"] == before, 5, "as many ports as before")
    rss = process.memory_info().rss
    cycle(500)
    wait_until(lambda: box.counts()["ports"] == before, 5, f"as many ports as before, {before}")
    assert process.memory_info().rss - rss < 2 << 20
    wait_until(lambda: len(leg.pieces(last=True)) == 600, 5, "every end told")
    leg.record()
    wait_until(lambda: tone_seconds(leg.recording(tmp_path / "rec.wav")) > 1, 5, "it still works", interval_s=0.1)
    call.hangup()
    wait_until(lambda: box.counts()["ports"] < before, 5, "the call's port gone, too")
