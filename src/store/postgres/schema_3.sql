-- runs of schedules: what was due, and what became of it
CREATE TABLE schedule_run (
  schedule   text NOT NULL,
  due_at     bigint NOT NULL,
  node       text NOT NULL,
  started_at bigint NOT NULL,
  until      bigint NOT NULL,    -- without a sign of life until then it counts as ended
  ended_at   bigint,
  failure    text,                -- what went wrong, when it ended badly
  PRIMARY KEY (schedule, due_at)
);

-- how far sources have read
CREATE TABLE mark (
  source     text NOT NULL PRIMARY KEY,
  value      text NOT NULL,
  changed_at bigint NOT NULL
);
