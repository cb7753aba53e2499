-- When things happened by the supervisor's clock, what was refused, and what each station says of its outbox.
ALTER TABLE event ADD COLUMN previous TEXT;
ALTER TABLE event ADD COLUMN monotonic TEXT;
ALTER TABLE event ADD COLUMN happened_ms INTEGER;

-- What the station said of a stream at last.
ALTER TABLE stream ADD COLUMN told_first INTEGER;
ALTER TABLE stream ADD COLUMN told_last INTEGER;
ALTER TABLE stream ADD COLUMN told_ms INTEGER;

ALTER TABLE station ADD COLUMN epoch TEXT;
-- How long the first event that waits there had waited when the station was heard.
ALTER TABLE station ADD COLUMN oldest_ms INTEGER;
-- What its wall clock is ahead of ours.
ALTER TABLE station ADD COLUMN clock_off_ms INTEGER;
-- When an event came last that was no news any more.
ALTER TABLE station ADD COLUMN history_ms INTEGER;

-- When each machine was started, by our clock: with it the time since a start becomes a time of ours.
CREATE TABLE clock (
    station TEXT NOT NULL,
    boot TEXT NOT NULL,
    base_ms INTEGER NOT NULL,
    PRIMARY KEY (station, boot)
) STRICT, WITHOUT ROWID;

ALTER TABLE page ADD COLUMN happened_ms INTEGER NOT NULL DEFAULT 0;
UPDATE page SET happened_ms = received_ms;
DROP INDEX page_by_time;
CREATE INDEX page_by_time ON page (station, happened_ms);

-- A reading may come twice; its run and number say so.
ALTER TABLE room ADD COLUMN happened_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE room ADD COLUMN run TEXT;
ALTER TABLE room ADD COLUMN seq INTEGER;
UPDATE room SET happened_ms = received_ms;
DROP INDEX room_by_time;
CREATE INDEX room_by_time ON room (station, happened_ms);
CREATE UNIQUE INDEX room_once ON room (station, run, seq);
ALTER TABLE power ADD COLUMN happened_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE power ADD COLUMN run TEXT;
ALTER TABLE power ADD COLUMN seq INTEGER;
UPDATE power SET happened_ms = received_ms;
DROP INDEX power_by_time;
CREATE INDEX power_by_time ON power (station, happened_ms);
CREATE UNIQUE INDEX power_once ON power (station, run, seq);

-- Messages that were not taken.
CREATE TABLE refused (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_ms INTEGER NOT NULL,
    topic TEXT NOT NULL,
    station TEXT,
    epoch TEXT,
    seq INTEGER,
    reason TEXT NOT NULL,
    -- The beginning of it.
    excerpt TEXT NOT NULL
) STRICT;

-- The dashboards ask four times a second.
CREATE INDEX void_by_batch ON void (station, batch);
CREATE INDEX batch_by_opening ON batch (opened_at);
CREATE INDEX batch_by_station ON batch (station, opened_at);
CREATE INDEX page_by_batch ON page (station, batch, happened_ms);
