"""Who wears the sensors: the few numbers in which people differ here, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TALL, USUAL, SLUMP = 0.25, 0.58, 0.82
"""Share of own range of lumbar flexion, sitting. Usual: office workers sit at 43-79 % (domain notes, 1); the others ours."""
RECLINE, RECLINE_BEHIND_DEG = 0.38, 14.0
"""Leaning back: share of own range, and how far the sacrum is behind full slump, deg; ours."""


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated wearer.

    rom_deg : largest lumbar flexion, deg. seated_share : deg that the pelvis rolls back per deg of flexion beyond tall sitting.
    seated_deg : sacrum inclination in tall sitting, deg (negative: rolled back).
    stand_m, seat_m, kneel_m, floor_m : height of the hips standing, on a chair, on one knee, lying, m.
    step_hz, bounce_m, speed_mps : steps a second, vertical amplitude (half of the travel) and speed of walking.
    tempo : factor on the duration of every movement, 1 usual. breath_hz, breath_deg : rate and amplitude at the trunk.
    sway : factor on the sway of balance.
    seed : everything else that is random about this person's days.
    """

    rom_deg: float = 50.0
    seated_share: float = 0.9
    seated_deg: float = -8.0
    stand_m: float = 0.90
    seat_m: float = 0.50
    kneel_m: float = 0.45
    floor_m: float = 0.12
    step_hz: float = 1.8
    bounce_m: float = 0.02
    speed_mps: float = 1.25
    tempo: float = 1.0
    breath_hz: float = 0.25
    breath_deg: float = 0.35
    sway: float = 1.0
    seed: int = 0

    def seat_pose(self, share: float) -> tuple[float, float]:
        """Sacrum inclination and lumbar flexion, deg, sitting at this share of the own range."""
        flexion = share * self.rom_deg
        return self.seated_deg - self.seated_share * (flexion - TALL * self.rom_deg), flexion

    def recline_pose(self) -> tuple[float, float]:
        """Sacrum inclination and lumbar flexion, deg, leaning back."""
        return self.seat_pose(SLUMP)[0] - RECLINE_BEHIND_DEG, RECLINE * self.rom_deg


def person(seed: int, *, limited_rom: bool = False) -> Person:
    """A wearer drawn from a seed; the same seed is the same wearer.

    limited_rom : 26-34 deg of lumbar flexion instead of 48 +- 7. Spreads: docs/generator.md.
    """
    rng = np.random.default_rng([seed, 1])

    def near(mean: float, sd: float, low: float, high: float) -> float:
        return round(float(np.clip(rng.normal(mean, sd), low, high)), 4)

    stand_m = near(0.92, 0.05, 0.80, 1.05)
    return Person(
        rom_deg=near(30.0, 3.0, 26.0, 34.0) if limited_rom else near(48.0, 7.0, 36.0, 64.0),
        seated_share=near(0.90, 0.08, 0.70, 1.05),
        seated_deg=near(-8.0, 2.5, -14.0, -3.0),
        stand_m=stand_m,
        seat_m=round(stand_m - near(0.38, 0.03, 0.32, 0.44), 4),
        kneel_m=round(0.5 * stand_m, 4),
        step_hz=near(1.8, 0.12, 1.5, 2.1),
        bounce_m=near(0.020, 0.003, 0.014, 0.027),
        speed_mps=near(1.25, 0.12, 0.9, 1.6),
        tempo=near(1.0, 0.12, 0.75, 1.35),
        breath_hz=near(0.25, 0.04, 0.17, 0.35),
        breath_deg=near(0.35, 0.06, 0.25, 0.5),
        seed=seed,
    )
