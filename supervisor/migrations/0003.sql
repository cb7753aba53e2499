-- A void page is known by what it is: a station that tells its journal again does so under other numbers.
CREATE TABLE void_once (
    station TEXT NOT NULL,
    batch TEXT NOT NULL,
    volume TEXT NOT NULL,
    number INTEGER NOT NULL,
    time TEXT NOT NULL,
    fault TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (station, batch, volume, number, time)
) STRICT, WITHOUT ROWID;
-- What was told twice is counted once from now on. One whose event is not here, which should not be, stays for itself.
INSERT OR IGNORE INTO void_once
    SELECT v.station, v.batch, v.volume, v.number, coalesce(e.time, v.epoch || ':' || v.seq), v.fault, v.text
    FROM void v LEFT JOIN event e ON e.station = v.station AND e.epoch = v.epoch AND e.seq = v.seq;
-- Its index goes with it: the new key begins with what the dashboards ask by.
DROP TABLE void;
ALTER TABLE void_once RENAME TO void;
