"""Training and transfer: images and a network become weights that `export` and `evaluate` take as they are.

`train` runs it. Only `settings`, `kinds` and `records` import without torch.
"""
