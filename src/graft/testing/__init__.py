"""Contract tests and fakes, shipped so that a new backend can prove itself."""
