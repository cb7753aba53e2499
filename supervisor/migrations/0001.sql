-- Everything the stations said, exactly once, and what follows from it.
CREATE TABLE event (
    station TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    time TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (station, epoch, seq)
) STRICT, WITHOUT ROWID;

-- How far each stream of events is stored without a gap: what was acknowledged.
CREATE TABLE stream (
    station TEXT NOT NULL,
    epoch TEXT NOT NULL,
    through INTEGER NOT NULL,
    PRIMARY KEY (station, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE station (
    name TEXT PRIMARY KEY,
    online INTEGER NOT NULL,
    software TEXT NOT NULL,
    since TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    -- When it was heard live, by the supervisor's clock; NULL after a start, until it is.
    heard_ms INTEGER
) STRICT;

CREATE TABLE batch (
    station TEXT NOT NULL,
    name TEXT NOT NULL,
    operator TEXT NOT NULL DEFAULT '',
    volumes TEXT NOT NULL DEFAULT '[]',
    opened_at TEXT NOT NULL DEFAULT '',
    completed_at TEXT,
    tracking_sheet TEXT,
    PRIMARY KEY (station, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE page (
    station TEXT NOT NULL,
    batch TEXT NOT NULL,
    volume TEXT NOT NULL,
    number INTEGER NOT NULL,
    time TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (station, batch, volume, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX page_by_time ON page (time);

CREATE TABLE void (
    station TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    batch TEXT NOT NULL,
    volume TEXT NOT NULL,
    number INTEGER NOT NULL,
    fault TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (station, epoch, seq)
) STRICT, WITHOUT ROWID;

-- The last word on each fault of each station: a later event wins, whatever order they arrive in.
CREATE TABLE fault (
    station TEXT NOT NULL,
    fault TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    text TEXT NOT NULL,
    action TEXT NOT NULL,
    severity TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (station, fault)
) STRICT, WITHOUT ROWID;

CREATE TABLE room (
    station TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    celsius REAL NOT NULL,
    humidity REAL NOT NULL
) STRICT;
CREATE INDEX room_by_time ON room (station, received_ms);

CREATE TABLE power (
    station TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    charge REAL,
    runtime_s REAL
) STRICT;
CREATE INDEX power_by_time ON power (station, received_ms);
