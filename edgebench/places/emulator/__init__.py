"""A device under QEMU: its CPU's facts, the counting of instructions, and the agreement of outputs."""
