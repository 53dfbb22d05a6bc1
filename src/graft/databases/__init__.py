"""The family of databases: tables and queries become documents, read only.

SQLAlchemy is imported by the function that needs it: a workspace of files does without.
"""

from __future__ import annotations

from graft.databases.documents import DatabaseDocuments, LeftOut

__all__ = ["DatabaseDocuments", "LeftOut"]
