"""Generators: messages to text, one engine a file."""
