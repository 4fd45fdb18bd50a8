"""The guided calibration with a wearer who does what is asked, or first something else; the motion is the shipped recording's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from sessions import Bench, Boot, in_order, meta, noise, recorded

from posture.app.cli import app
from posture.app.exits import run
from posture.app.guide import ATTEMPTS, REDON, Cue, Guide, Sign, Step, full
from posture.app.guided import end_range_off
from posture.app.session import known, meta_of, wear_of
from posture.config import Config
from posture.recording import open_recording
from posture.recording.poses import read_poses
from posture.replay import calibrate_from, calibration_json
from posture.store import KnownSensor, Store
from posture.types import ClockFit, ImuBatch, ImuBlock, InputError, JsonValue, Placement, PostureError, Segment

REPOSITORY = Path(__file__).resolve().parent.parent
DAY, POSES = REPOSITORY / "recordings" / "day_excerpt.parquet", REPOSITORY / "recordings" / "day_excerpt.poses.json"
BOTH = tuple(Placement)
PIECE_S = 0.1


class Wearer:
    """Gives batches of 0.1 s: standing while a pose is announced, and what the script says while one is held.

    instead : the pose to show in place of the one asked for, by pose and attempt. silent : (from_s, to_s) without samples.
    """

    def __init__(
        self,
        sensors: tuple[Placement, ...] = BOTH,
        *,
        instead: Callable[[str, int], str | None] = lambda pose, attempt: pose,
        device_s: Mapping[Placement, float] | None = None,
    ) -> None:
        recording = open_recording(DAY, sensors=sensors)
        self.rate_hz = dict.fromkeys(sensors, recording.info.rate_hz)
        self.poses = read_poses(POSES, recording.info)
        self.rows = {name: [recording.window(a, b) for a, b in windows] for name, windows in self.poses.items()}
        self.sensors, self.instead, self.device_s = sensors, instead, device_s or {}
        self.now_s, self.shows, self.place = 0.0, ("stand", 0), 0
        self.attempts: dict[str, int] = {}
        self.repeats: dict[str, int] = {}

    def hear(self, cues: list[Cue]) -> None:
        for cue in cues:
            pose = cue.step.pose
            if cue.sign is Sign.GO:
                self.attempts[pose] = self.attempts.get(pose, 0) + 1
                shown = self.instead(pose, self.attempts[pose])
                self.shows, self.place = (shown, self.repeats.get(pose, 0)), 0
            elif cue.sign is Sign.STOP:
                self.shows, self.place = ("stand", 0), 0
            elif cue.sign is Sign.GOOD:
                self.repeats[pose] = self.repeats.get(pose, 0) + 1

    def batch(self) -> ImuBatch:
        n = round(PIECE_S * 50)
        start_s, self.now_s = self.now_s, self.now_s + PIECE_S
        pose, repeat = self.shows
        if pose is None:
            return ImuBatch((), self.now_s)
        windows = self.rows[pose]
        parts = windows if pose == "walk" else [windows[repeat % len(windows)]]
        blocks = []
        for i, placement in enumerate(self.sensors):
            acc = np.concatenate([w[i].acc_mps2 for w in parts])
            gyr = np.concatenate([w[i].gyr_radps for w in parts])
            rows = np.arange(self.place, self.place + n) % len(acc)
            time_s = start_s + np.arange(n) / 50.0 - self.device_s.get(placement, 0.0)
            segment = Segment(0, 50.0) if self.device_s else None
            blocks.append(ImuBlock(placement, time_s, acc[rows], gyr[rows], time_s + 0.1, segment))
        self.place += n
        fits = ()
        if start_s == 0.0:
            fits = tuple(ClockFit(p, 0, 0, 0.0, off_s, 0.0, 0.1, np.inf) for p, off_s in self.device_s.items())
        return ImuBatch(tuple(blocks), self.now_s, fits)


def session_of(home: Path, guide: Guide, sensors: tuple[Placement, ...] = BOTH) -> Path:
    """The calibration into a store, out of it into a session that begins, and that to a place without a store."""
    assert guide.made is not None
    assert guide.raw_poses is not None
    with Store(home / "store.sqlite3") as store:
        for placement in sensors:
            store.put_sensor(KnownSensor(f"00{placement}", placement, "LPS", "h", bonded=True, driver="lps"))
        made_utc = guide.made_utc or datetime(2026, 3, 2, tzinfo=UTC)
        store.put_calibration(guide.made, made_utc, raw_poses=guide.raw_poses.to_json())
        have = wear_of(known(store), Config())
    about = meta_of(have, Config(), start_utc=datetime(2026, 3, 2, 9, tzinfo=UTC), zone="UTC", salt="s")
    fed = in_order(*(Bench(p, [Boot(7, 2.0, noise(900, 1), 52.0)], 52.0).made() for p in sensors))
    recorded(home / "sessions" / "s1", fed, about)
    return Path(shutil.move(home / "sessions" / "s1", home / "elsewhere"))


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_a_session_elsewhere_replays_with_the_same_calibration_and_can_make_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, quick: bool
) -> None:
    monkeypatch.setenv("POSTURE_HOME", str(tmp_path / "other"))
    wearer = Wearer()
    base = calibrate_from(open_recording(DAY, sensors=BOTH), POSES, Config()) if quick else None
    steps = REDON if quick else full(BOTH, end_range=False)
    guide = Guide(steps, wearer.rate_hz, Config(), base=base, made_utc=datetime(2026, 3, 2, 8, tzinfo=UTC))
    guided(wearer, guide)
    assert guide.made is not None
    folder = session_of(tmp_path, guide)
    assert run(app, ["replay", str(folder), "--as-live", "--out", str(tmp_path / "again")]) == 0
    assert run(app, ["calibrate", "--from", str(folder), "--out", str(tmp_path / "anew.json")]) == 0
    used, anew = ((tmp_path / name).read_text() for name in ("again/calibration.json", "anew.json"))
    assert used == anew == calibration_json(guide.made)
    assert not (tmp_path / "other").exists(), "no store was asked"
    assert (folder / "session.json").stat().st_size < 1_000_000


def test_a_session_without_raw_poses_or_with_damaged_ones_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fed = Bench(Placement.SACRUM, [Boot(7, 2.0, noise(900, 1), 52.0)], 52.0).made()
    plain = meta((Placement.SACRUM,))
    spoilt = {"format": 1, "made_utc": None, "poses": {}, "base": None}
    for name, tree, words in (
        ("none", None, "keeps no poses of its calibration"),
        (
            "part",
            {**spoilt, "sensors": {"sacrum": {"rate_hz": 52.0, "gyroscope": True, "rows": "AAAA"}}},
            "cannot be read",
        ),
        ("later", {**spoilt, "format": 2}, "format 2, this version reads 1"),
    ):
        folder = recorded(tmp_path / name, fed, replace(plain, raw_poses=tree))
        assert run(app, ["calibrate", "--from", str(folder), "--out", str(tmp_path / "x.json")]) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
    assert not (tmp_path / "x.json").exists()


def guided(wearer: Wearer, guide: Guide, *, longest_s: float = 600.0) -> list[Cue]:
    def heard() -> Iterator[Cue]:
        while wearer.now_s < longest_s:
            cues = guide.push(wearer.batch())
            wearer.hear(cues)
            yield from cues
            if any(c.sign is Sign.DONE for c in cues):
                return

    return list(heard())


def signs(cues: list[Cue], *wanted: Sign) -> list[tuple[str, Sign]]:
    return [(c.step.pose, c.sign) for c in cues if c.sign in wanted]


def test_a_wearer_who_does_what_is_asked_gets_the_calibration_of_the_recorded_routine() -> None:
    wearer = Wearer()
    guide = Guide(full(BOTH, end_range=True), wearer.rate_hz, Config(), made_utc=datetime(2026, 3, 2, tzinfo=UTC))
    cues = guided(wearer, guide)
    expected = calibrate_from(open_recording(DAY), POSES, Config())
    made = guide.made
    assert made is not None
    assert made.made_utc == datetime(2026, 3, 2, tzinfo=UTC)
    assert made.judges_sitting
    assert made.rom_deg == pytest.approx(expected.rom_deg, abs=3.0)
    for placement in BOTH:
        mine, theirs = made.sensors[placement], expected.sensors[placement]
        np.testing.assert_allclose(mine.body_from_sensor, theirs.body_from_sensor, atol=0.05)
        assert mine.slump_deg == pytest.approx(theirs.slump_deg, abs=1.0)
    asked = [c.step.pose for c in cues if c.sign is Sign.GO]
    assert asked == [s.pose for s in full(BOTH, end_range=True)]
    assert not signs(cues, Sign.AGAIN, Sign.LEFT_OUT)
    assert len(made.poses["bend_max"]) == 3


def test_it_counts_down_and_shows_how_a_pose_goes_each_second() -> None:
    wearer = Wearer()
    guide = Guide(full(BOTH, end_range=False), wearer.rate_hz, Config())
    cues = guided(wearer, guide)
    ready = [round(c.left_s) for c in cues if c.sign is Sign.READY and c.step.pose == "stand"]
    assert ready == sorted(ready, reverse=True)
    assert len(ready) == 5
    live = [c.words for c in cues if c.sign is Sign.LIVE and c.step.pose == "stand"]
    assert len(live) == 9
    assert all(0.1 < float(words.split()[1]) < 2.0 for words in live)
    leans = [float(c.words.split()[1]) for c in cues if c.sign is Sign.LIVE and c.step.pose == "hinge"]
    assert max(leans) > 35
    assert "bend_max" not in {c.step.pose for c in cues}


@pytest.mark.parametrize(
    ("pose", "shown", "words"),
    [
        ("stand", "walk", "the wearer moved"),
        ("walk", "stand", "shows no steps"),
        ("sit_tall", "stand", "sit down"),
        ("slump", "walk", "moved in the pose `slump`"),
        ("hinge", "stand", "leaned forward by"),
        ("stand_end", "hinge", "the wearer moved"),
        ("sit_usual", None, "came from the sacrum sensor"),
    ],
)
def test_a_bad_pose_is_said_with_its_reason_and_asked_for_once_more(pose: str, shown: str | None, words: str) -> None:
    wearer = Wearer(instead=lambda asked, attempt: shown if asked == pose and attempt == 1 else asked)
    guide = Guide(full(BOTH, end_range=False), wearer.rate_hz, Config())
    cues = guided(wearer, guide)
    (again,) = [c for c in cues if c.sign is Sign.AGAIN]
    assert again.step.pose == pose
    assert words in again.words
    assert "\n" not in again.words
    assert guide.made is not None
    assert len(guide.made.poses[pose]) == (3 if pose == "hinge" else 1)


def test_a_pose_that_is_never_held_is_left_out_and_the_rest_goes_on() -> None:
    wearer = Wearer((Placement.SACRUM,), instead=lambda asked, _: "stand" if asked == "slump" else asked)
    steps = [s for s in full((Placement.SACRUM,), end_range=False) if s.pose != "recline"]
    guide = Guide(steps, wearer.rate_hz, Config())
    cues = guided(wearer, guide)
    assert signs(cues, Sign.AGAIN, Sign.LEFT_OUT) == [("slump", Sign.AGAIN)] * (ATTEMPTS - 1) + [
        ("slump", Sign.LEFT_OUT)
    ]
    assert guide.made is not None
    assert "slump" not in guide.made.poses
    assert not guide.made.judges_sitting  # and that is said
    assert any("were not recorded" in r for r in guide.made.reasons)


def test_without_a_stand_there_is_no_calibration() -> None:
    wearer = Wearer(instead=lambda asked, _: "walk" if asked == "stand" else asked)
    with pytest.raises(InputError, match=f"moved in the pose `stand`.*{ATTEMPTS} times"):
        guided(wearer, Guide(full(BOTH, end_range=True), wearer.rate_hz, Config()))


def test_quick_stands_and_walks_on_the_full_one() -> None:
    base = calibrate_from(open_recording(DAY), POSES, Config())
    wearer = Wearer()
    guide = Guide(REDON, wearer.rate_hz, Config(), base=base)
    guided(wearer, guide)
    assert guide.made is not None
    assert guide.made.source == "quick"
    assert guide.made.rom_deg == base.rom_deg
    assert wearer.now_s < 40


def test_sensors_on_clocks_of_their_own_give_the_same_calibration() -> None:
    made = []
    for device_s in ({}, {Placement.SACRUM: 1000.0, Placement.UPPER_LUMBAR: -77.0}):
        wearer = Wearer(device_s=device_s)
        guide = Guide(full(BOTH, end_range=False), wearer.rate_hz, Config())
        guided(wearer, guide)
        made.append(guide.made)
    one, two = made
    assert one is not None
    assert two is not None
    assert two.poses == one.poses
    for placement in BOTH:
        np.testing.assert_allclose(
            two.sensors[placement].body_from_sensor, one.sensors[placement].body_from_sensor, atol=1e-3
        )


def test_a_sensor_that_restarts_ends_it_with_one_sentence() -> None:
    wearer = Wearer(device_s=dict.fromkeys(BOTH, 5.0))
    guide = Guide((Step("stand", "Stand", 10.0, needed=True),), wearer.rate_hz, Config())
    guide.push(wearer.batch())
    batch = wearer.batch()
    moved = tuple(
        ImuBlock(b.placement, b.time_s, b.acc_mps2, b.gyr_radps, b.arrived_s, Segment(1, 50.0)) for b in batch.blocks
    )
    with pytest.raises(PostureError, match="restarted"):
        guide.push(ImuBatch(moved, batch.arrived_until_s))


def test_nothing_begins_before_every_sensor_is_heard() -> None:
    wearer = Wearer()
    guide = Guide(full(BOTH, end_range=False), wearer.rate_hz, Config())
    for _ in range(100):
        batch = wearer.batch()
        assert guide.push(ImuBatch(batch.blocks[:1], batch.arrived_until_s)) == []
    assert guide.push(wearer.batch())[0].sign is Sign.READY


PASSED: list[tuple[str, dict[str, JsonValue]]] = [("exercise", {"exercise": "brace", "reps": 10, "pain": 0})] * 12
"""Enough days of the first exercise to open the next stage."""


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], None),
        ([("pain", {"level": 4})], "the pain that you noted last is 4/10, and they wait until it is under 4"),
        ([("pain", {"level": 5}), ("pain", {"level": 3})], "your programme is in stage 1"),
        ([("red_flag", {"what": "fever"})], "you noted fever"),
        ([("pain", {"level": 2, "leg": True})], "you noted pain that spreads into a leg"),
        (PASSED, None),
        ([*PASSED, ("exercise", {"exercise": "brace", "reps": 10, "pain": 4})], "noted last is 4/10"),
    ],
)
def test_bends_to_the_end_of_the_range_are_off_with_pain_and_in_stage_one(
    tmp_path: Path, rows: list[tuple[str, dict[str, JsonValue]]], why: str | None
) -> None:
    with Store(tmp_path / "store.sqlite3") as store:
        for k, (kind, body) in enumerate(rows):
            store.diary.put(day=date(2026, 3, 1 + k), kind=kind, body=body, logged_utc=datetime(2026, 3, 1, tzinfo=UTC))
        said = end_range_off(store)
    assert (said is None) if why is None else (said is not None and why in said)
