"""Training and transfer: images and a network become weights that `export` and `evaluate` take as they are.

`run.train` runs it. Only `settings` and `records` import without torch.
"""
