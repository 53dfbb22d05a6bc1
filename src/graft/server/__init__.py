"""The server: the measured arms behind an OpenAI-compatible HTTP API."""
