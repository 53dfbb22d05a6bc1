"""Small SQLite databases, made in the test."""

from __future__ import annotations

import sqlite3

import pytest

from graft.corpus import silent
from graft.databases import DatabaseDocuments

SHOP = """
CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Name TEXT);
CREATE TABLE Album (
    AlbumId INTEGER PRIMARY KEY, Title TEXT NOT NULL,
    ArtistId INTEGER NOT NULL REFERENCES Artist
);
CREATE TABLE Track (
    TrackId INTEGER PRIMARY KEY, Name TEXT, AlbumId INTEGER REFERENCES Album, Price NUMERIC(9,2)
);
CREATE TABLE Playlist (PlaylistId INTEGER PRIMARY KEY, Name TEXT);
CREATE TABLE PlaylistTrack (
    PlaylistId INTEGER REFERENCES Playlist, TrackId INTEGER REFERENCES Track,
    PRIMARY KEY (PlaylistId, TrackId)
);
CREATE TABLE Customer (CustomerId INTEGER PRIMARY KEY, FirstName TEXT, LastName TEXT, City TEXT);
CREATE TABLE Invoice (
    InvoiceId INTEGER PRIMARY KEY, CustomerId INTEGER NOT NULL REFERENCES Customer,
    InvoiceDate DATETIME, Total NUMERIC(9,2)
);
CREATE TABLE InvoiceLine (
    InvoiceLineId INTEGER PRIMARY KEY, InvoiceId INTEGER NOT NULL REFERENCES Invoice,
    TrackId INTEGER NOT NULL REFERENCES Track, Price NUMERIC(9,2), Quantity INTEGER
);
INSERT INTO Artist VALUES (1, 'Tarn'), (2, 'Moss');
INSERT INTO Album VALUES (1, 'Ninety Bar', 1), (2, 'Dry Run', 1), (3, 'North Hall', 2);
INSERT INTO Track VALUES (1, 'Pump', 1, 0.99), (2, 'Valve', 1, 1.5), (3, 'Crane', 3, 0.99);
INSERT INTO Playlist VALUES (1, 'Morning'), (2, 'Empty');
INSERT INTO PlaylistTrack VALUES (1, 1), (1, 3);
INSERT INTO Customer VALUES (1, 'Ada', 'Lund', 'Oslo');
INSERT INTO Invoice VALUES (98, 1, '2026-03-01 00:00:00', 2.49);
INSERT INTO InvoiceLine VALUES (1, 98, 1, 0.99, 1), (2, 98, 2, 1.5, 3);
"""


class Bench:
    """Makes databases in a folder and reads them."""

    shop = SHOP

    def __init__(self, folder):
        self.folder = folder

    def make(self, script=SHOP, name="shop.db", rows=()):
        path = self.folder / name
        store = sqlite3.connect(path)
        store.executescript(script)
        for statement, values in rows:
            store.executemany(statement, values)
        store.commit()
        store.close()
        return path

    def reader(self, path, **more):
        return DatabaseDocuments("shop", f"sqlite:///{path}", ("sqlite:///shop.db",), **more)

    def read(self, script=SHOP, rows=(), **more):
        reader = self.reader(self.make(script, rows=rows), **more)
        return list(reader.documents(silent))

    def rows(self, *arguments, **more):
        """Return the text of each row under `table > heading`."""
        found = {}
        for document in self.read(*arguments, **more):
            for section in document.sections:
                name = f"{document.title} > {section.heading_path[0]}"
                found[name] = document.text[section.start : section.end].strip()
        return found


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
