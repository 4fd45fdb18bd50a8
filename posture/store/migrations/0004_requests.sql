-- What the wearer asks of the running monitor. A command puts it here, the monitor puts its reply beside it, the command takes both.

CREATE TABLE request (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: the monitor goes by it
    kind      TEXT NOT NULL,             -- status, snooze, pause, resume, answer
    body      TEXT NOT NULL CHECK (json_valid(body)),
    asked_utc TEXT NOT NULL,
    reply     TEXT CHECK (reply IS NULL OR json_valid(reply))  -- NULL until it was heard
) STRICT;

-- When the wearer wanted no alerts, as the session's alert policy took it (docs/session.md has the same records).
CREATE TABLE action (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    act        TEXT NOT NULL CHECK (act IN ('snooze', 'pause', 'resume')),
    at_s       REAL NOT NULL,            -- from there on it holds
    until_s    REAL                      -- where a snooze ends
) STRICT;
CREATE INDEX action_by_session ON action (session_id);

-- What a calibration was made from: the samples of its poses. NULL: it was not kept.
ALTER TABLE calibration ADD COLUMN raw_poses TEXT CHECK (raw_poses IS NULL OR json_valid(raw_poses));
