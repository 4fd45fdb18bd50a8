"""Posture monitor core: samples -> lumbar angle -> events -> alerts.

The signal stages live in `posture.signal`, the detectors in `posture.detect`; `posture.pipeline` is the one place where
they are composed, for a live sensor and for a replayed recording alike.
"""

__version__ = "0.1.0"
