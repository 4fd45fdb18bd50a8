-- What the wearer says: the log of exercise and diary, declared workouts, and "that was wrong".

-- Nothing of the log is ever changed or taken away: what is undone has a row in `undone`.
CREATE TABLE entry (
    id         INTEGER PRIMARY KEY,
    day        TEXT NOT NULL,           -- 2026-03-02; a day begins at 04:00 local time
    kind       TEXT NOT NULL,           -- exercise, practice, pain ... (docs/programme.md)
    body       TEXT NOT NULL CHECK (json_valid(body)),  -- its other keys
    logged_utc TEXT NOT NULL
) STRICT;
CREATE INDEX entry_by_day ON entry (day);

CREATE TABLE undone (
    entry_id INTEGER PRIMARY KEY REFERENCES entry (id),
    at_utc   TEXT NOT NULL
) STRICT;

-- An interval that the wearer declared to be exercise. Moments, because the monitor that hears of it may start anew meanwhile.
CREATE TABLE workout (
    id          INTEGER PRIMARY KEY,
    exercise    TEXT,                   -- id of the programme; NULL: whatever is found
    side        TEXT CHECK (side IS NULL OR side IN ('left', 'right')),
    started_utc TEXT NOT NULL,
    ended_utc   TEXT                    -- NULL while it goes on
) STRICT;
CREATE UNIQUE INDEX one_open_workout ON workout ((ended_utc IS NULL)) WHERE ended_utc IS NULL;

-- Of something that the monitor said. By kind and time, not by row: a later result has rows of its own.
CREATE TABLE feedback (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    about      TEXT NOT NULL CHECK (about IN ('alert', 'event', 'epoch')),
    kind       TEXT NOT NULL,           -- of the alert or event; the context of an epoch
    about_s    REAL NOT NULL,           -- start of what is meant
    said       TEXT NOT NULL,
    note       TEXT NOT NULL,
    at_utc     TEXT NOT NULL
) STRICT;
CREATE INDEX feedback_by_session ON feedback (session_id, about_s);
