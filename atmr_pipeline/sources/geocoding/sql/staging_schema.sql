-- Rows of all inputs, in the order in which they were read; group_key is what rows of one name have in common.
CREATE TEMP TABLE staged (
    id INTEGER PRIMARY KEY,
    input INTEGER NOT NULL,
    class TEXT NOT NULL,
    group_key TEXT NOT NULL,
    number_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    street TEXT NOT NULL,
    number TEXT NOT NULL,
    postcode TEXT NOT NULL,
    locality TEXT NOT NULL,
    commune TEXT NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    source TEXT NOT NULL
);
