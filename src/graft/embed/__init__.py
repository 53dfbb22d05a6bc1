"""Embedders: texts to unit-length vectors, one engine a file."""
