"""What a machine is: device profiles, what a system says of itself, and what can be asked of it."""
