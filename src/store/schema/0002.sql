-- Configuration of each revision, so that a revert brings it back, and who did what.
CREATE TABLE revision_config (
    snap     TEXT NOT NULL,
    revision TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (snap, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    time      INTEGER NOT NULL,
    requester TEXT NOT NULL,
    action    TEXT NOT NULL
) STRICT;
