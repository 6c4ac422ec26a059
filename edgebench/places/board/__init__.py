"""A board that is reached over SSH or adb: its link, its lock, and the supervisor that runs workers there."""
