-- What the revisions of snaps say of their health.
CREATE TABLE health (
    snap     TEXT NOT NULL,
    revision TEXT NOT NULL,
    record   TEXT NOT NULL,
    PRIMARY KEY (snap, revision)
) STRICT, WITHOUT ROWID;
