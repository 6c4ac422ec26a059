"""Choosing a scaling point for a device: the space of networks, what each costs there, and what accuracy to expect."""

from edgebench.choose.records import Choice, Point
from edgebench.choose.scaling import scale

__all__ = ["Choice", "Point", "scale"]
