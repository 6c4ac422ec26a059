"""Results of `scale` that several tests look at; the searches are the real ones, for the Raspberry Pi 4."""

import pytest

from edgebench.api import scale
from edgebench.choose import Choice


@pytest.fixture(scope="session")
def choice() -> Choice:
    return scale("rpi4", "mobilenetv2", max_latency="50ms", max_memory="64MB", confirmed=False)
