-- Days as they were summed up, so that weeks of them need not be worked out anew; all of it can be made again from the sessions.

CREATE TABLE day (
    day     TEXT PRIMARY KEY,        -- 2026-03-02; begins at 04:00 local time
    made_of TEXT NOT NULL,           -- code version, and what its sessions were (revision, seconds, answers) when it was summed up
    summary TEXT NOT NULL CHECK (json_valid(summary))  -- docs/daily-summary.md
) STRICT;

-- What a later result of a session, or later seconds, changed of a day that had been summed up. Never changed.
CREATE TABLE day_change (
    id       INTEGER PRIMARY KEY,
    day      TEXT NOT NULL,
    made_utc TEXT NOT NULL,
    made_of  TEXT NOT NULL,
    changes  TEXT NOT NULL CHECK (json_valid(changes))  -- [{"name", "before", "after"}]
) STRICT;
CREATE INDEX day_change_by_day ON day_change (day);
