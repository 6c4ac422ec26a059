"""edgebench: PyTorch CNNs as checked files for edge runtimes, measured or estimated on a device."""

__version__ = "0.1.0"
