-- runs of schedules: what was due, and what became of it
CREATE TABLE schedule_run (
  schedule   TEXT NOT NULL,
  due_at     INTEGER NOT NULL,
  node       TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  until      INTEGER NOT NULL,    -- without a sign of life until then it counts as ended
  ended_at   INTEGER,
  failure    TEXT,                -- what went wrong, when it ended badly
  PRIMARY KEY (schedule, due_at)
) STRICT, WITHOUT ROWID;

-- how far sources have read
CREATE TABLE mark (
  source     TEXT NOT NULL PRIMARY KEY,
  value      TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
