"""The family of splitters: each cuts a document into passages."""
