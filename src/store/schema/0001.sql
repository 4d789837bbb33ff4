CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snaps (
    name   TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
    plug_snap TEXT NOT NULL,
    plug      TEXT NOT NULL,
    slot_snap TEXT NOT NULL,
    slot      TEXT NOT NULL,
    record    TEXT NOT NULL,
    PRIMARY KEY (plug_snap, plug, slot_snap, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    id     INTEGER PRIMARY KEY,
    -- nanoseconds since 1970; NULL while anything of it may still run
    ready  INTEGER,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX changes_by_ready ON changes (ready);

CREATE TABLE tasks (
    id        INTEGER PRIMARY KEY,
    change_id INTEGER NOT NULL,
    status    INTEGER NOT NULL,
    record    TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_by_change ON tasks (change_id);

CREATE TABLE config (
    snap     TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cookies (
    cookie TEXT PRIMARY KEY,
    snap   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE warnings (
    message TEXT PRIMARY KEY,
    record  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
    id     INTEGER PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE lines (
    line   TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE leds (
    led    TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
