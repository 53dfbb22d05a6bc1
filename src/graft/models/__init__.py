"""Model weights as files: found by name, converted once, merged with an adapter, exported."""
