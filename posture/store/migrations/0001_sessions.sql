-- What the monitor saw and said. A moment is UTC (ISO 8601, microseconds, Z); a time in s counts from its session's start.
-- `about`, `evidence`, `tree` and the like are JSON.

CREATE TABLE session (
    id        INTEGER PRIMARY KEY,
    folder    TEXT NOT NULL UNIQUE,     -- name of the folder that holds its record
    start_utc TEXT NOT NULL,
    end_utc   TEXT,                     -- NULL until it has ended
    zone      TEXT NOT NULL,            -- IANA name, of the start
    revision  INTEGER NOT NULL,         -- the result to which its epochs and events belong
    about     TEXT NOT NULL CHECK (json_valid(about))  -- as session.json of a replay
) STRICT;
CREATE INDEX session_by_start ON session (start_utc);

-- One row a result: first what live said, then what the completed record gave. Never changed.
CREATE TABLE revision (
    session_id   INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL CHECK (number >= 1),
    result       TEXT NOT NULL CHECK (result IN ('live', 'final')),
    made_utc     TEXT NOT NULL,
    code_version TEXT NOT NULL,
    difference   TEXT CHECK (difference IS NULL OR json_valid(difference)),  -- to the result before; NULL for the first
    PRIMARY KEY (session_id, number)
) STRICT, WITHOUT ROWID;

-- The seconds of one hour of a session in one blob (posture/store/packing.py).
CREATE TABLE epochs (
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    hour       INTEGER NOT NULL CHECK (hour >= 0),
    first_s    INTEGER NOT NULL,
    count      INTEGER NOT NULL CHECK (count BETWEEN 1 AND 3600),
    packed     BLOB NOT NULL,
    PRIMARY KEY (session_id, hour)
) STRICT;

CREATE TABLE event (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    start_s    REAL NOT NULL,
    end_s      REAL NOT NULL,
    peak_s     REAL,
    peak_deg   REAL,
    verdict    TEXT NOT NULL,
    basis      TEXT NOT NULL,
    confidence REAL,
    set_id     INTEGER,
    evidence   TEXT NOT NULL CHECK (json_valid(evidence))
) STRICT;
CREATE INDEX event_by_start ON event (session_id, start_s);

-- What live raised; a later result leaves it alone.
CREATE TABLE alert (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    about_s    REAL NOT NULL,
    raised_s   REAL NOT NULL,
    kind       TEXT NOT NULL,
    preset     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    evidence   TEXT NOT NULL CHECK (json_valid(evidence))
) STRICT;
CREATE INDEX alert_by_session ON alert (session_id, raised_s);

CREATE TABLE answer (
    id       INTEGER PRIMARY KEY,
    alert_id INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    at_utc   TEXT NOT NULL,
    said     TEXT NOT NULL
) STRICT;
CREATE INDEX answer_by_alert ON answer (alert_id);

CREATE TABLE calibration (
    id       INTEGER PRIMARY KEY,
    made_utc TEXT NOT NULL,
    source   TEXT NOT NULL,             -- poses, quick or self
    grade    TEXT NOT NULL,
    tree     TEXT NOT NULL CHECK (json_valid(tree))
) STRICT;

-- Enrolled sensors.
CREATE TABLE sensor (
    serial    TEXT PRIMARY KEY,
    placement TEXT NOT NULL,
    name      TEXT NOT NULL,
    handle    TEXT NOT NULL,            -- address, or what the system calls it
    bonded    INTEGER NOT NULL CHECK (bonded IN (0, 1)),
    driver    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE profile (
    key         TEXT PRIMARY KEY,
    value       TEXT NOT NULL CHECK (json_valid(value)),
    changed_utc TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The memory of the alert policy: one row.
CREATE TABLE policy_state (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    saved_utc  TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (json_valid(state))
) STRICT;
