CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  seq            INTEGER PRIMARY KEY AUTOINCREMENT, -- accept order, with room after each message for its parts
  id             TEXT NOT NULL UNIQUE,
  system         TEXT NOT NULL,
  document_type  TEXT NOT NULL,
  site           TEXT,
  dedup_key      TEXT,
  sha256         BLOB NOT NULL,
  size           INTEGER NOT NULL,
  content_type   TEXT NOT NULL,
  transport      TEXT NOT NULL CHECK (transport IN ('http', 'amqp', 'file')),
  received_at    INTEGER NOT NULL,
  attributes     TEXT NOT NULL,
  state          TEXT NOT NULL CHECK (state IN ('accepted', 'routed', 'parked', 'filtered', 'skipped', 'split')),
  cause          TEXT,
  reason         TEXT,
  parse_attempts INTEGER NOT NULL DEFAULT 0,
  business_key   TEXT,
  delivery_count INTEGER NOT NULL DEFAULT 0,        -- planned deliveries; compared with those found
  part_count     INTEGER NOT NULL DEFAULT 0,        -- documents split off; compared with those found
  parent         INTEGER REFERENCES message (seq)   -- the message it was split off
) STRICT;
CREATE UNIQUE INDEX message_dedup ON message (system, dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX message_accepted ON message (seq) WHERE state = 'accepted';
CREATE INDEX message_accepted_by_system ON message (system, seq) WHERE state = 'accepted';
CREATE INDEX message_state ON message (state, delivery_count, part_count);
CREATE INDEX message_business_key ON message (business_key) WHERE business_key IS NOT NULL;

-- apart from message, so that a change of state does not rewrite the bytes
CREATE TABLE payload (
  message INTEGER PRIMARY KEY REFERENCES message (seq),
  bytes   BLOB NOT NULL
) STRICT;

-- what the documents of a split message became
CREATE TABLE part (
  parent       INTEGER NOT NULL REFERENCES message (seq),
  position     INTEGER NOT NULL,                    -- from 1
  message      INTEGER NOT NULL REFERENCES message (seq),
  is_duplicate INTEGER NOT NULL,                    -- 1: an earlier message, which this document repeats
  PRIMARY KEY (parent, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
  seq                INTEGER PRIMARY KEY,
  id                 TEXT NOT NULL UNIQUE,
  message            INTEGER NOT NULL REFERENCES message (seq),
  position           INTEGER NOT NULL,
  system             TEXT NOT NULL,             -- the message's, for the check of accept order
  route              TEXT NOT NULL,
  destination        TEXT NOT NULL,
  lane               TEXT NOT NULL,             -- empty: unordered
  blocks_when_parked INTEGER NOT NULL,
  state              TEXT NOT NULL
                     CHECK (state IN ('planned', 'waiting', 'parked', 'delivered', 'filtered', 'skipped')),
  due_at             INTEGER NOT NULL,
  blocking           INTEGER NOT NULL,          -- 1: later deliveries of the lane must wait
  ready              INTEGER NOT NULL,          -- 1: planned, and first of its lane
  attempts           INTEGER NOT NULL DEFAULT 0,
  tries              INTEGER NOT NULL DEFAULT 0, -- attempts since planned or released
  wait_key           TEXT,
  cause              TEXT,
  reason             TEXT,
  outcome            TEXT,
  unknown_before     INTEGER NOT NULL DEFAULT 0,
  created_at         INTEGER NOT NULL,
  finished_at        INTEGER,
  UNIQUE (message, position)
) STRICT;
CREATE INDEX delivery_due ON delivery (due_at, message, position) WHERE ready = 1;
CREATE INDEX delivery_due_by_destination ON delivery (destination, due_at, message, position) WHERE ready = 1;
CREATE INDEX delivery_lane ON delivery (route, destination, lane, message, position) WHERE blocking = 1;
CREATE INDEX delivery_lane_ready ON delivery (route, destination, lane) WHERE ready = 1 AND lane <> '';
CREATE INDEX delivery_wait ON delivery (wait_key) WHERE state = 'waiting';
CREATE INDEX delivery_held ON delivery (cause) WHERE state IN ('waiting', 'parked');
CREATE INDEX delivery_state ON delivery (route, destination, state);

-- written once, before the first send
CREATE TABLE output (
  delivery      INTEGER PRIMARY KEY REFERENCES delivery (seq),
  sha256        BLOB NOT NULL,
  content_type  TEXT NOT NULL,
  document_type TEXT NOT NULL,
  mapping_hash  TEXT NOT NULL,
  bytes         BLOB NOT NULL
) STRICT;

CREATE TABLE attempt (
  delivery      INTEGER NOT NULL REFERENCES delivery (seq),
  number        INTEGER NOT NULL,
  id            TEXT NOT NULL UNIQUE,
  started_at    INTEGER NOT NULL,
  ended_at      INTEGER NOT NULL,
  outcome       TEXT NOT NULL CHECK (outcome IN ('delivered', 'retry', 'rejected', 'unknown')),
  status        INTEGER,
  detail        TEXT NOT NULL,
  response_type TEXT NOT NULL,
  response      BLOB NOT NULL,
  PRIMARY KEY (delivery, number)
) STRICT;

CREATE TABLE xref (
  entity        TEXT NOT NULL,
  source_system TEXT NOT NULL,
  source_id     TEXT NOT NULL,
  target_system TEXT NOT NULL,
  target_id     TEXT NOT NULL,
  message       INTEGER NOT NULL REFERENCES message (seq),
  created_at    INTEGER NOT NULL,
  PRIMARY KEY (entity, source_system, source_id, target_system)
) STRICT, WITHOUT ROWID;
