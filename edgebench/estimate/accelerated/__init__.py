"""Latency of a network on a processor that is no CPU: the Hexagon NPU of Snapdragons, the Neural Engine of iPhones.

Fitted to published latencies of whole networks by `fit`; `form` is the formula, `estimator` what a user gets of it.
"""
