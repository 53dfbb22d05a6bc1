"""Measurements that can be run again: `python -m benchmarks.NAME --json`, see README.md."""
