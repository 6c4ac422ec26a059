"""Choosing a scaling point for a device: the space of networks, what each costs there, and what accuracy to expect."""
