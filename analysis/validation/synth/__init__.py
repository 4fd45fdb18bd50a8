"""Simulated people and days with truth, made from rigid-body kinematics: for tests and the accuracy page, never a claim on people.

`person` draws who, `Script` says what they do, `sensors` what two IMUs on the back show of it, `faults` what goes wrong, and
`write` puts a labelled day on disk, every file marked simulated. Assumptions and their sources: docs/generator.md.
"""

from analysis.validation.synth.day import Day, day, make, write
from analysis.validation.synth.faults import FAULTS, Fault
from analysis.validation.synth.person import Person, person
from analysis.validation.synth.script import Script
from analysis.validation.synth.sensor import IDEAL, Mounting, Part, Signals, sensors
from analysis.validation.synth.track import Track

__all__ = [
    "FAULTS",
    "IDEAL",
    "Day",
    "Fault",
    "Mounting",
    "Part",
    "Person",
    "Script",
    "Signals",
    "Track",
    "day",
    "make",
    "person",
    "sensors",
    "write",
]
