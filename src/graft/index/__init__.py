"""The family of indexes: each finds passages by vector and by words, one backend a file."""
