"""The fluent script of a day: calibration, exercise, the floor and the bed, and what happens to the sensors themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from analysis.validation.synth.motion import Off, Slip
from analysis.validation.synth.ride import PLACES
from analysis.validation.synth.upright import NEUTRAL_TO, ROUNDED_FROM, Upright, _one_of
from posture.types import InputError, Placement

PATHS = ("half_kneel", "straight_rounded", "log_roll")
EXERCISES = ("squat", "hip_hinge", "reverse_lunge", "offload_control")
MARGIN_S = 1.0
"""s left off both ends of a held calibration pose, as docs/calibration.md asks for."""
TILTED_FROM_DEG = 3.0
"""deg of pelvic tilt from which a brace is labelled tilted (domain notes, 4: 3-5 deg)."""
PAUSE_S = 0.4
"""s at the bottom of a rep; ours."""
ASLEEP = 0.6
"""Share of the breathing that a sensor on a mattress shows; ours."""


class Script(Upright):
    """Everything that a day can hold, in the order of the calls: `Script(who).calibrate().walk(60).sit_down().sit(20)`.

    Each call starts where the last one ended and needs its stance (standing, seated, lying, or off the body); InputError otherwise.
    """

    def calibrate(self) -> Self:
        """The calibration routine of about 2.5 min; fills `poses`. Nothing in it becomes an event."""
        self.need("standing", "calibrate()")
        self.calibrating = True
        self._held("stand", 12.0, "standing").move(0.5, "standing")
        from_s = self.now_s
        self._steps(15.0, "walking")._steps(15.0, "walking", turn_deg=180.0)
        self.poses["walk"] = [(from_s + 1.5, self.now_s - 1.5)]
        self.hold(1.0, "standing").sit_down(style="tall")
        for name, style in (("sit_tall", "tall"), ("sit_usual", "usual"), ("slump", "slump")):
            sacrum, flexion = self._seated(style)
            self.move(1.5, "sitting", pitch=sacrum, flexion=flexion)._held(name, 10.0, "sitting")
        self.stand_up().hold(1.5, "standing")
        for name, trunk_deg, flexion in (
            ("bend_max", self.who.rom_deg + 40.0, self.who.rom_deg),
            ("hinge", 55.0, self.bend_flexion("hinge", 55.0)),
            ("rounded", max(55.0, 0.7 * self.who.rom_deg), 0.7 * self.who.rom_deg),
        ):
            for _ in range(3):
                from_s = self.now_s
                self.lean(trunk_deg, flexion, 1.2)
                self.poses.setdefault(name, []).append((from_s, self.now_s))
                self.hold(1.2, "standing")
        self.hold(1.0, "standing")._held("stand_end", 7.0, "standing")
        self.calibration_end_s = self.now_s
        self.calibrating = False
        return self

    def _held(self, name: str, seconds: float, label: str) -> Self:
        from_s = self.now_s
        self.hold(seconds, label)
        self.poses[name] = [(from_s + MARGIN_S, self.now_s - MARGIN_S)]
        return self

    def squat(self) -> Self:
        """One squat."""
        return self.set_of("squat", 1)

    def reverse_lunge(self, side: str = "left") -> Self:
        """One reverse lunge, stepping back with this leg."""
        return self.set_of("reverse_lunge", 1, side=side)

    def set_of(
        self,
        exercise: str,
        reps: int = 10,
        *,
        breaks_at: int | None = None,
        side: str = "left",
        pause_s: float = PAUSE_S,
    ) -> Self:
        """A set. Form breaks from rep `breaks_at` (1 is the first): the back rounds, more with each further rep.

        pause_s : how long each rep stays at the bottom (upright exercises).
        Events: a bend per rep (upright exercises), and one `exercise` over the set with the first failed rep.
        """
        _one_of(exercise, EXERCISES, "exercise")
        _one_of(side, ("left", "right"), "side")
        self.need("lying" if exercise == "offload_control" else "standing", f"set_of({exercise!r})")
        from_s, spans = self.now_s, []
        for rep in range(1, reps + 1):
            broken = max(0, rep - breaks_at + 1) if breaks_at else 0
            rep_s = self.now_s
            self._rep(exercise, broken, side, pause_s)
            spans.append([rep_s, self.now_s])
            if exercise != "offload_control":
                share = self._flexion_share(exercise, broken)
                cls = "rounded" if share >= ROUNDED_FROM else "neutral" if share <= NEUTRAL_TO else "ambiguous"
                shape = {"squat": "squat", "hip_hinge": "hinge", "reverse_lunge": "rev_lunge"}[exercise]
                self.event("bend", rep_s, cls=cls, shape=shape, set_of=reps, rep=rep)
            self.hold(self.varied(0.9), "standing" if self.stance == "standing" else "lying")
        about = {"name": exercise, "reps": reps, "breaks_at": breaks_at, "rep_spans_s": spans}
        if exercise == "reverse_lunge":
            about["side"] = side
        return self.event("exercise", from_s, **about)

    @staticmethod
    def _flexion_share(exercise: str, broken: int) -> float:
        kept = {"squat": 0.30, "hip_hinge": 0.16, "reverse_lunge": 0.12}[exercise]
        return min(0.95, kept + (0.36 + 0.03 * (broken - 1) if broken else 0.0))

    def _rep(self, exercise: str, broken: int, side: str, pause_s: float) -> None:
        if exercise == "offload_control":
            drift = self.varied(2.0, 0.2) + (7.0 + broken if broken else 0.0)
            self.move(self.timed(2.4), "lying", humps={"pitch": drift, "flexion": 0.4 * drift})
            return
        trunk, drop_m, tip = {
            "squat": (45.0, 0.32, 0.0),
            "hip_hinge": (55.0, 0.0, 0.0),
            "reverse_lunge": (32.0, 0.30, 5.0),
        }[exercise]
        flexion = self._flexion_share(exercise, broken) * self.who.rom_deg
        trunk = max(self.varied(trunk, 0.04), flexion + 6.0)
        self.lean(trunk, flexion, pause_s, drop_m=drop_m, tip=tip if side == "right" else -tip)

    def floor_down(self, path: str = "half_kneel") -> Self:
        """To lying on the floor, on the back. path : one of `PATHS`; only straight_rounded rounds the back."""
        self.need("standing", "floor_down()")
        _one_of(path, PATHS, "path")
        from_s, who, rom = self.now_s, self.who, self.who.rom_deg
        if path == "straight_rounded":
            self.move(self.timed(1.5), pitch=42.0, flexion=0.92 * rom, height=0.5)
            self.move(self.timed(1.4), pitch=-25.0, flexion=0.85 * rom, height=0.18, sway=0.3)
        else:
            self.move(self.timed(1.6), pitch=14.0, flexion=0.18 * rom, height=who.kneel_m)
            self.hold(self.varied(1.2), "other")
            self.move(self.timed(1.6), pitch=-8.0, flexion=0.25 * rom, height=0.2, sway=0.3)
        self._lay_down(path)
        return self.event("floor_down", from_s, cls=_cls(path), path=path)

    def floor_up(self, path: str = "half_kneel") -> Self:
        """From lying on the back on the floor to standing."""
        self.need("lying", "floor_up()")
        _one_of(path, PATHS, "path")
        from_s, who, rom = self.now_s, self.who, self.who.rom_deg
        self._sit_up(path, 0.2)
        if path == "straight_rounded":
            self.move(self.timed(1.4), pitch=40.0, flexion=0.92 * rom, height=0.45)
        else:
            self.move(self.timed(1.6), pitch=14.0, flexion=0.18 * rom, height=who.kneel_m)
            self.hold(self.varied(1.2), "other")
        self.move(self.timed(1.6), pitch=0.0, flexion=0.0, height=who.stand_m, sway=1.0)
        self.event("floor_up", from_s, cls=_cls(path), path=path)
        self.stance = "standing"
        return self.hold(1.5, "standing")

    def bed(self, minutes: float, path: str = "log_roll") -> Self:
        """From sitting on its edge: lie down in a bed, lie, come back to sitting. path : "log_roll" or "straight_rounded"."""
        self.need("seated", "bed()")
        _one_of(path, ("log_roll", "straight_rounded"), "path")
        seat, from_s = self.at["height"], self.now_s
        self._lay_down(path, height=seat)
        self.event("sit_to_lie", from_s, cls=_cls(path), path=path)
        self.lie(minutes)
        from_s = self.now_s
        self._sit_up(path, seat)
        sacrum, flexion = self._seated("usual")
        self.move(self.timed(1.2), pitch=sacrum, flexion=flexion, height=seat, sway=0.5)
        self.event("lie_to_sit", from_s, cls=_cls(path), path=path)
        self.stance = "seated"
        return self.hold(1.0, "sitting")

    def _lay_down(self, path: str, height: float | None = None) -> None:
        height, rom = self.who.floor_m if height is None else height, self.who.rom_deg
        if path == "log_roll":
            self.move(self.timed(1.8), tip=90.0, pitch=0.0, flexion=0.15 * rom, height=height)
            # On the right side, said as a tip; the same as on the back and spun by -90 deg.
            self.same_as(heading=self.at["heading"] + 90.0, tip=0.0, pitch=-90.0, spin=-90.0)
            self.hold(0.5, "lying").move(self.timed(1.6), "lying", spin=0.0, flexion=0.0, sway=0.15)
        else:
            curled = (0.85 if path == "straight_rounded" else 0.35) * rom
            self.move(
                self.timed(1.8), pitch=-90.0, flexion=0.0, height=height, humps={"flexion": curled / 2}, sway=0.15
            )
        self.stance = "lying"
        self.hold(1.0, "lying")

    def _sit_up(self, path: str, height: float) -> None:
        rom = self.who.rom_deg
        if path == "log_roll":
            self.move(self.timed(1.6), "lying", spin=-90.0).hold(0.5, "lying")
            self.same_as(heading=self.at["heading"] - 90.0, tip=90.0, pitch=0.0, spin=0.0)
            self.move(self.timed(2.0), tip=0.0, pitch=-5.0, flexion=0.2 * rom, height=height)
        elif path == "straight_rounded":
            self.move(self.timed(0.9), pitch=-75.0, flexion=0.85 * rom)
            self.move(self.timed(1.2), pitch=-20.0, flexion=0.85 * rom, height=height)
        else:
            self.move(self.timed(2.0), pitch=-10.0, flexion=0.25 * rom, height=height)

    def lie(self, minutes: float, position: str = "supine") -> Self:
        """Lie; "side" rolls to the right side for it and back (events `roll`)."""
        self.need("lying", "lie()")
        _one_of(position, ("supine", "side"), "position")
        if position == "supine":
            return self.hold(60.0 * minutes, "lying")
        for spin, seconds in ((-90.0, 60.0 * minutes), (0.0, 1.0)):
            from_s = self.now_s
            self.move(self.timed(1.8), "lying", spin=spin).event("roll", from_s).hold(seconds, "lying")
        return self

    def sleep(self, minutes: float) -> Self:
        """Asleep on the back or a side: only breathing, damped by the mattress, and a turn over now and then. Event `sleep`."""
        self.need("lying", "sleep()")
        from_s, end_s = self.now_s, self.now_s + 60.0 * minutes
        self.move(2.0, "lying", sway=0.0, breath=ASLEEP)
        side = False
        while (left_s := end_s - self.now_s) > 1.0:
            still_s = float(np.clip(self.rng.normal(1200.0, 400.0), 300.0, 2400.0))
            self.hold(min(still_s, left_s), "lying")
            if end_s - self.now_s > 60.0:
                side, rolled_s = not side, self.now_s
                self.move(self.timed(2.5), "lying", spin=-90.0 if side else 0.0).event("roll", rolled_s)
        self.event("sleep", from_s)
        return self.move(2.0, "lying", spin=0.0, sway=0.15, breath=1.0)

    def towel(self, minutes: float = 3.0) -> Self:
        """On the back on a rolled towel: still, the lower back 6 deg hollow."""
        self.need("lying", "towel()")
        from_s = self.now_s
        self.move(2.0, "lying", flexion=-6.0, sway=0.05).hold(60.0 * minutes, "lying")
        self.event("exercise", from_s, name="towel", minutes=minutes)
        return self.move(2.0, "lying", flexion=0.0, sway=0.15)

    def brace(self, reps: int = 10, tilt_deg: float = 0.0) -> Self:
        """Brace on the back, held 1.5 s; the pelvis tilts back by `tilt_deg` under a still trunk where the form is lost."""
        self.need("lying", "brace()")
        from_s = self.now_s
        for _ in range(reps):
            tilt = self.varied(tilt_deg)
            pelvis, flexion = self.at["pitch"], self.at["flexion"]
            self.move(0.8, "lying", pitch=pelvis - tilt, flexion=flexion + tilt).hold(1.5, "lying")
            self.move(0.8, "lying", pitch=pelvis, flexion=flexion).hold(self.varied(1.2), "lying")
        tilted = tilt_deg >= TILTED_FROM_DEG
        return self.event("exercise", from_s, name="brace", reps=reps, tilt_deg=tilt_deg, tilted=tilted)

    def slip(
        self, deg: float, *, axis: str = "y", placement: Placement = Placement.SACRUM, seconds: float = 1.0
    ) -> Self:
        """A sensor turns on the skin while the wearer goes on as before. With axis y its apparent inclination grows by `deg`."""
        if self.stance == "off":
            raise InputError("slip() needs worn sensors; put them on first")
        _one_of(axis, ("x", "y", "z"), "axis")
        from_s = self.now_s
        label = {"standing": "standing", "seated": "sitting", "lying": "lying"}[self.stance]
        self.hold(seconds, label)
        self.slips.append(Slip(from_s, self.now_s, deg, axis, str(placement)))
        return self.event("sensor_moved", from_s, deg=deg, axis=axis, placement=str(placement), cause="slip")

    def take_off(self) -> Self:
        """Both sensors come off, by hand, in 2 s."""
        self.need("standing", "take_off()")
        self.offs.append(Off(self.now_s, self.now_s + 2.0, seed=int(self.rng.integers(1 << 31))))
        self.stance = "off"
        return self.hold(2.0, "non_wear")

    def table(self, minutes: float, where: str = "table") -> Self:
        """The sensors lie "table" (still), in a bag, "bag" (carried) or "bag_standing", or on a "car" seat; in turn."""
        self.need("off", "table()")
        _one_of(where, PLACES, "where")
        last = self.offs[-1]
        self.offs[-1] = replace(last, spells=(*last.spells, (self.now_s, where)))
        return self.hold(60.0 * minutes, "non_wear")

    def put_on(self, settle_s: float = 1.0) -> Self:
        """Both sensors go on again in 2 s, each turned and shifted anew. Events `non_wear` and `sensor_moved`.

        settle_s : how long the wearer then stands; 0 for one who is on the way already.
        """
        self.need("off", "put_on()")
        last = self.offs[-1]
        self.offs[-1] = replace(last, back_s=self.now_s, to_s=self.now_s + 2.0)
        self.hold(2.0, "non_wear")
        self.event("non_wear", last.from_s, where=last.where)
        self.event("sensor_moved", self.now_s - 2.0, cause="re-don")
        self.stance = "standing"
        return self.hold(settle_s, "standing") if settle_s else self


def _cls(path: str) -> str:
    return "rounded" if path == "straight_rounded" else "neutral"
