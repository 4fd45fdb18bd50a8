"""Angle to events: context, chair, sitting, bends, floor."""
