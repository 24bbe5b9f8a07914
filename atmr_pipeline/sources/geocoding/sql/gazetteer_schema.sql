-- One gazetteer: what it was built from, its streets, towns and places, and its houses by street and number.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE input (
    position INTEGER PRIMARY KEY,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    layout TEXT NOT NULL,
    coordinates TEXT NOT NULL,
    attribution TEXT NOT NULL,
    rows_read INTEGER NOT NULL,
    rows_kept INTEGER NOT NULL
);

CREATE TABLE left_out (
    input INTEGER NOT NULL REFERENCES input (position),
    reason TEXT NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (input, reason)
) WITHOUT ROWID;

CREATE TABLE area (
    id INTEGER PRIMARY KEY,
    postcode TEXT NOT NULL,
    locality TEXT NOT NULL,
    commune TEXT NOT NULL
);

CREATE TABLE source (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE street (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

-- Streets' points, towns and places: all of it is read when the gazetteer is loaded.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    street TEXT NOT NULL,
    number TEXT NOT NULL,
    area INTEGER NOT NULL REFERENCES area (id),
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    source INTEGER NOT NULL REFERENCES source (id)
);

-- Houses: fetched one number at a time. number_key is lower case, without spaces, with / for -.
CREATE TABLE house (
    street INTEGER NOT NULL REFERENCES street (id),
    number_key TEXT NOT NULL,
    position INTEGER NOT NULL,
    number TEXT NOT NULL,
    area INTEGER NOT NULL REFERENCES area (id),
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    source INTEGER NOT NULL REFERENCES source (id),
    PRIMARY KEY (street, number_key, position)
) WITHOUT ROWID;
