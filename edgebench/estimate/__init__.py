"""Latency and memory of a network on a device that nobody measured: from its graph, with an interval.

`estimator.estimate` needs numpy only and takes milliseconds. The constants behind it are fitted by `fit`.
"""
