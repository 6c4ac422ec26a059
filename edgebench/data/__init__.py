"""Labelled images: folders, ImageNet's layout, CIFAR-10, MNIST and generated sets, streamed and prepared one way.

    dataset = load("photos")                      # photos/val/CLASS/*.jpg
    dataset = load("synthetic:shapes?size=64", split="train")
    for batch in batches(dataset, preprocessing, (3, 224, 224), 32):
        ...

Nothing here imports torch. What Pillow does to a file, and what the manifest's preprocessing does to its
pixels, is in images.py, the only implementation of either in the project.
"""

from edgebench.data.batching import Batch, batches
from edgebench.data.dataset import Dataset, Unreadable
from edgebench.data.images import prepare
from edgebench.data.loading import load, splits

__all__ = ["Batch", "Dataset", "Unreadable", "batches", "load", "prepare", "splits"]
