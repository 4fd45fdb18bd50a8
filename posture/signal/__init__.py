"""Samples to lumbar angle: time base, orientation, calibration, angle, join of two sensors."""
