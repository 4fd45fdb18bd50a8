"""What is done standing and sitting: standing, walking, stairs, chairs, desk hours, bends."""

from __future__ import annotations

from typing import Self

import numpy as np

from analysis.validation.synth.motion import Motion, smooth
from analysis.validation.synth.person import SLUMP, TALL, USUAL
from posture.types import Float, InputError

STYLES = ("tall", "usual", "slump", "recline", "still_reader")
ROUNDED_FROM, NEUTRAL_TO = 0.60, 0.45
"""Share of own range at the peak: a bend is rounded from, neutral up to; between them ambiguous (as the labelled recordings)."""
STEP_UP_M = 0.17
"""m; height of a stair, the usual one in buildings."""
SHIFTS_S = 100.0
"""s between shifts of posture at a desk: people shift about 9 times in 15 min (domain notes, 3)."""
SOCKET_DROP_S = 0.10
"""s in which the seat stops a plunge; ours, gives an impact over 0.5 g."""


class Upright(Motion):
    """Activities on the feet and on chairs."""

    def stand(self, seconds: float) -> Self:
        """Stand at ease."""
        self.need("standing", "stand()")
        return self.hold(seconds, "standing")

    def walk(self, seconds: float, *, turn_deg: float | None = None) -> Self:
        """Walk; on the way it turns by `turn_deg` (None: at random, up to half round)."""
        self.need("standing", "walk()")
        turn = float(self.rng.uniform(-180, 180)) if turn_deg is None else turn_deg
        return self._steps(seconds, "walking", turn_deg=turn)

    def stairs(self, steps: int, *, down: bool = False) -> Self:
        """Stairs-like steps: slower, bouncier, leaning a little, the ground rising by a stair each step. Labelled walking."""
        self.need("standing", "stairs()")
        from_s = self.now_s
        self.move(0.8, "walking", pitch=6.0 if not down else 2.0)
        hz = 0.8 * self.who.step_hz
        self._steps(steps / hz + 0.8, "walking", hz=hz, bounce=1.4, stairs_m=-STEP_UP_M if down else STEP_UP_M)
        self.move(0.8, "walking", pitch=0.0)
        return self.event("stairs", from_s, steps=steps, direction="down" if down else "up")

    def _steps(
        self,
        seconds: float,
        label: str,
        *,
        hz: float | None = None,
        bounce: float = 1.0,
        turn_deg: float = 0.0,
        stairs_m: float = 0.0,
    ) -> Self:
        who, n = self.who, max(2, round(seconds * self.rate_hz))
        t = np.arange(1, n + 1) / self.rate_hz
        hz = hz or who.step_hz
        whole = n / self.rate_hz
        on = smooth(t / 0.8) * smooth((whole - t) / 0.8)
        step, phase = 2 * np.pi * hz * t, self.rng.uniform(0, 2 * np.pi)
        stride = step / 2
        climbed = np.zeros(n)
        if stairs_m:
            done = np.cumsum(on) * hz / self.rate_hz
            climbed = stairs_m * (done - 0.7 * np.sin(2 * np.pi * done) / (2 * np.pi))
        waves: dict[str, Float] = {
            "height": on * bounce * who.bounce_m * (np.sin(step) + 0.18 * np.sin(2 * step + phase)),
            "pitch": on * 1.5 * np.sin(step + 1.0),
            "flexion": on * 1.2 * np.sin(step + 2.2),
            "tip": on * 3.0 * np.sin(stride + phase),
            "heading": turn_deg * smooth(t / whole) + on * 4.0 * np.sin(stride + phase + 1.2),
            "level": climbed,
        }
        forward = on * (who.speed_mps * min(1.0, hz / who.step_hz) + 0.12 * np.sin(step + 0.5))
        left = on * 0.06 * np.cos(stride)
        # Ends where the last sample is, so that nothing jumps.
        ends = {
            "heading": self.at["heading"] + float(waves["heading"][-1]),
            "level": self.at["level"] + float(climbed[-1]),
        }
        return self.ride(waves, np.stack([forward, left], axis=1), label, **ends)

    def sit_down(self, how: str = "normal", style: str = "usual") -> Self:
        """Onto a chair, into the posture of `style`. how : "normal", or "plunge": dropped in half a second, stopped by the seat."""
        self.need("standing", "sit_down()")
        _one_of(how, ("normal", "plunge"), "how")
        from_s, who = self.now_s, self.who
        sacrum, flexion = self._seated(style)
        lean = 0.55 * who.rom_deg
        if how == "normal":
            self.move(
                self.timed(2.8),
                humps={"pitch": 24.0 - sacrum / 2, "flexion": max(0.0, lean - flexion / 2)},
                when={"height": (0.15, 0.85)},
                forward_m=-0.25,
                pitch=sacrum,
                flexion=flexion,
                height=who.seat_m,
                sway=0.5,
            )
            self.event("stand_to_sit", from_s, how=how)
        else:
            self.move(0.6, pitch=18.0, flexion=0.4 * who.rom_deg, sway=0.5)
            drop_s, drop_m = 0.65, self.at["height"] - who.seat_m
            t = np.arange(1, round(drop_s * self.rate_hz) + 1) / self.rate_hz
            rate = smooth(t / 0.35) * (1 - smooth((t - drop_s + SOCKET_DROP_S) / SOCKET_DROP_S))
            way = np.cumsum(rate) / rate.sum()
            self.move(drop_s, pitch=sacrum / 2, flexion=0.8 * flexion, height=who.seat_m, forward_m=-0.2, fall=way)
            self.move(0.5, pitch=sacrum, flexion=flexion)
            fastest = drop_m * float(rate.max() / rate.sum()) * self.rate_hz
            self.event("stand_to_sit", from_s, how=how)
            self.event("plunge", from_s, descent_s=drop_s, speed_mps=round(fastest, 3), height_m=round(drop_m, 3))
        self.stance = "seated"
        return self.hold(0.8, "sitting")

    def sit(self, minutes: float, style: str = "usual") -> Self:
        """Sit: "tall", "usual", "slump", "recline" with shifts of posture, or "still_reader", who only breathes. Event `desk`."""
        self.need("seated", "sit()")
        from_s, end_s = self.now_s, self.now_s + 60.0 * minutes
        sacrum, flexion = self._seated(style)
        still = style == "still_reader"
        self.move(min(1.5, 30.0 * minutes), "sitting", pitch=sacrum, flexion=flexion, sway=0.1 if still else 0.5)
        while (left_s := end_s - self.now_s) > 0.5 / self.rate_hz:
            wait_s = left_s if still else min(left_s, float(self.rng.exponential(SHIFTS_S)) + 4.0)
            self.hold(max(wait_s - 2.0, 1.0 / self.rate_hz) if not still else wait_s, "sitting")
            if not still and (left_s := end_s - self.now_s) > 1.0:
                shift = float(np.clip(self.rng.normal(0.0, 0.05), -0.1, 0.1)) * self.who.rom_deg
                lean = float(self.rng.uniform(0, 10)) if self.rng.random() < 0.3 else 0.0
                self.move(
                    min(2.0, left_s),
                    "sitting",
                    humps={"pitch": lean},
                    flexion=flexion + shift,
                    pitch=sacrum - self.who.seated_share * shift,
                )
        return self.event("desk", from_s, style=style)

    def stand_up(self, how: str = "neutral") -> Self:
        """From a chair. how : "neutral" peaks at about 58 % of own range (a rise needs 56-66), "rounded" at about 85."""
        self.need("seated", "stand_up()")
        _one_of(how, ("neutral", "rounded"), "how")
        who = self.who
        most = (0.58 if how == "neutral" else 0.85) * who.rom_deg
        if self.at["flexion"] > most:  # who rises neutral from a slump sits up first
            sacrum, flexion = self._seated("tall")
            self.move(self.timed(1.2), "sitting", pitch=sacrum, flexion=flexion).hold(0.5, "sitting")
        from_s, lean = self.now_s, 22.0 if how == "neutral" else 14.0
        self.move(
            self.timed(2.4),
            humps={"pitch": lean - self.at["pitch"] / 2, "flexion": most - self.at["flexion"] / 2},
            when={"height": (0.3, 1.0)},
            forward_m=0.25,
            pitch=0.0,
            flexion=0.0,
            height=who.stand_m,
            sway=1.0,
        )
        self.stance = "standing"
        self.event("sit_to_stand", from_s, cls=how)
        return self.hold(1.0, "standing")

    def bend(self, kind: str = "hinge", depth_deg: float = 60.0, hold_s: float = 0.5) -> Self:
        """Lean the trunk to `depth_deg` and come up. kind : "hinge" (back flat), "rounded", or "mixed" between the two."""
        self.need("standing", "bend()")
        flexion = self.bend_flexion(kind, depth_deg)
        cls = {"hinge": "neutral", "rounded": "rounded", "mixed": "ambiguous"}[kind]
        from_s = self.now_s
        self.lean(depth_deg, flexion, hold_s)
        shape = "stoop" if kind == "rounded" else "hinge"
        self.event("bend", from_s, cls=cls, shape=shape, set_of=1, hold_s=hold_s)
        return self.hold(1.2, "standing")

    def bend_flexion(self, kind: str, depth_deg: float) -> float:
        """Lumbar flexion, deg, at the bottom of such a bend. InputError: too shallow to be that."""
        _one_of(kind, ("hinge", "rounded", "mixed"), "kind")
        rom = self.who.rom_deg
        if kind == "hinge":
            return min(0.14 * depth_deg, 0.8 * NEUTRAL_TO * rom)
        flexion = rom * (0.52 if kind == "mixed" else 0.66 + 0.30 * float(np.clip((depth_deg - 40) / 60, 0, 1)))
        if depth_deg < flexion:
            raise InputError(f"a {kind} bend of {depth_deg:g} deg is too shallow; {flexion:.0f} deg of it are flexion")
        return flexion

    def lean(
        self, trunk_deg: float, flexion_deg: float, hold_s: float, *, drop_m: float = 0.0, tip: float = 0.0
    ) -> Self:
        """Down to a trunk inclination with this flexion, and up again; the hips go back, and down by `drop_m`."""
        back_m = 0.0018 * (trunk_deg - flexion_deg)
        stood = self.at["height"]
        self.move(
            self.timed(1.3),
            forward_m=-back_m,
            pitch=trunk_deg - flexion_deg,
            flexion=flexion_deg,
            height=stood - drop_m,
            tip=tip,
        )
        self.hold(max(hold_s, 0.1), "other")
        return self.move(self.timed(1.3), forward_m=back_m, pitch=0.0, flexion=0.0, height=stood, tip=0.0)

    def _seated(self, style: str) -> tuple[float, float]:
        _one_of(style, STYLES, "style")
        if style == "recline":
            return self.who.recline_pose()
        return self.who.seat_pose({"tall": TALL, "slump": SLUMP}.get(style, USUAL))


def _one_of(given: str, known: tuple[str, ...], what: str) -> None:
    if given not in known:
        raise InputError(f"{what} is {given!r}; choose one of {', '.join(known)}")
