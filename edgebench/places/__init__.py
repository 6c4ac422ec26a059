"""Where a worker runs: this machine, a board that is reached, or an emulated device."""
