"""The engine: whoever wants a number asks here."""
