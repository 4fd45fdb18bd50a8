"""Replays of labelled recordings, scored against their labels, and the accuracy page of the docs."""
