-- Every integer is a bigint; moments are microseconds since 1970. Foreign keys are left out: rows refer to rows written
-- in the same transaction or earlier, nothing of a message is removed before its parts, and `verify` counts.
CREATE TABLE meta (
  key   text PRIMARY KEY,
  value text NOT NULL
);

-- the processes that work on this store at the moment
CREATE TABLE node (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  closed     boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- accept order, with room after each message for its parts
CREATE SEQUENCE message_seq INCREMENT BY 65536 START WITH 65536;

CREATE TABLE message (
  seq            bigint PRIMARY KEY,
  id             text NOT NULL UNIQUE,
  system         text NOT NULL,
  document_type  text NOT NULL,
  site           text,
  dedup_key      text,
  sha256         bytea NOT NULL,
  size           bigint NOT NULL,
  content_type   text NOT NULL,
  transport      text NOT NULL,
  received_at    bigint NOT NULL,
  attributes     jsonb NOT NULL,
  state          text NOT NULL CHECK (state IN ('accepted', 'routed', 'parked', 'filtered', 'skipped', 'split')),
  cause          text,
  reason         text,
  parse_attempts bigint NOT NULL DEFAULT 0,         -- times a node ended while it held this message
  business_key   text,
  delivery_count bigint NOT NULL DEFAULT 0,         -- planned deliveries; compared with those found
  part_count     bigint NOT NULL DEFAULT 0,         -- documents split off; compared with those found
  parent         bigint,                            -- the message it was split off
  bytes_removed_at bigint                           -- when retention removed the row in payload and the outputs' bytes
);
CREATE UNIQUE INDEX message_dedup ON message (system, dedup_key) WHERE dedup_key IS NOT NULL;
CREATE INDEX message_accepted ON message (seq) WHERE state = 'accepted';
CREATE INDEX message_accepted_by_system ON message (system, seq) WHERE state = 'accepted';
CREATE INDEX message_parked ON message (cause) WHERE state = 'parked';
CREATE INDEX message_business_key ON message (business_key) WHERE business_key IS NOT NULL;

-- apart from message, so that a change of state does not rewrite the bytes
CREATE TABLE payload (
  message bigint PRIMARY KEY,
  codec   bigint NOT NULL,                          -- 0: as they are, 1: a Zstandard frame
  bytes   bytea NOT NULL
);
ALTER TABLE payload ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- messages handed out to be planned, and to which node
CREATE TABLE work (
  message bigint PRIMARY KEY,
  node    bigint NOT NULL
);

CREATE TABLE part (
  parent       bigint NOT NULL,
  position     bigint NOT NULL,                     -- from 1
  message      bigint NOT NULL,
  is_duplicate boolean NOT NULL,                    -- an earlier message, which this document repeats
  PRIMARY KEY (parent, position)
);

CREATE TABLE delivery (
  seq                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id                 text NOT NULL UNIQUE,
  message            bigint NOT NULL,
  position           bigint NOT NULL,
  system             text NOT NULL,                 -- the message's, for the check of accept order
  route              text NOT NULL,
  destination        text NOT NULL,
  document           text NOT NULL,                 -- of a mapping that makes several; empty for the only one
  lane               text NOT NULL,                 -- empty: unordered
  lane_key           bigint NOT NULL,               -- digest of route, destination and lane; 0: unordered
  blocks_when_parked boolean NOT NULL,
  state              text NOT NULL
                     CHECK (state IN ('planned', 'waiting', 'parked', 'delivered', 'filtered', 'skipped')),
  due_at             bigint NOT NULL,
  blocking           boolean NOT NULL,              -- later deliveries of the lane must wait
  ready              boolean NOT NULL,              -- planned, and first of its lane
  attempts           bigint NOT NULL DEFAULT 0,
  tries              bigint NOT NULL DEFAULT 0,     -- attempts since planned or released
  wait_key           text,
  cause              text,
  reason             text,
  outcome            text,
  unknown_before     boolean NOT NULL DEFAULT false,
  sending            boolean NOT NULL DEFAULT false, -- kept bytes are sent again, and no record of it yet
  output_planned     boolean NOT NULL DEFAULT false, -- planned together with its bytes, which were not sent by that
  waived             boolean NOT NULL DEFAULT false, -- a person lets it pass the calendar
  overtaken          boolean NOT NULL DEFAULT false, -- a later one of its lane was sent while it was parked
  created_at         bigint NOT NULL,
  finished_at        bigint,
  UNIQUE (message, position)
);
CREATE INDEX delivery_due ON delivery (destination, due_at, message, position) WHERE ready;
CREATE INDEX delivery_lane ON delivery (lane_key, message, position) WHERE blocking;
CREATE INDEX delivery_lane_ready ON delivery (lane_key) WHERE ready AND lane_key <> 0;
CREATE INDEX delivery_wait ON delivery (wait_key text_pattern_ops) WHERE state = 'waiting';
CREATE INDEX delivery_held ON delivery (cause) WHERE state IN ('waiting', 'parked', 'planned') AND cause IS NOT NULL;
CREATE INDEX delivery_parked_lane ON delivery (lane_key, message, position) WHERE state = 'parked' AND lane_key <> 0;

-- destinations that get nothing at the moment
CREATE TABLE pause (
  destination text NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('gone', 'breaker')),
  since       bigint NOT NULL,
  until       bigint,                               -- the next probe, when there is one
  address     text NOT NULL,                        -- the way out it is about
  reason      text NOT NULL,
  PRIMARY KEY (destination, kind)
);

-- deliveries handed out to be sent, and to which node
CREATE TABLE claim (
  delivery bigint PRIMARY KEY,
  node     bigint NOT NULL
);

-- written once, before the first send
CREATE TABLE output (
  delivery      bigint PRIMARY KEY,
  sha256        bytea NOT NULL,
  content_type  text NOT NULL,
  document_type text NOT NULL,
  mapping_hash  text NOT NULL,
  notes         text NOT NULL DEFAULT '',           -- what was noticed while it was made, one line each
  codec         bigint NOT NULL,                    -- as of payload; 2: removed by retention
  size          bigint NOT NULL,                    -- of the bytes themselves
  bytes         bytea NOT NULL
);
ALTER TABLE output ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE attempt (
  delivery      bigint NOT NULL,
  number        bigint NOT NULL,
  id            text NOT NULL UNIQUE,
  started_at    bigint NOT NULL,
  ended_at      bigint NOT NULL,
  outcome       text NOT NULL CHECK (outcome IN ('delivered', 'retry', 'rejected', 'unknown')),
  status        bigint,
  detail        text NOT NULL,
  response_type text NOT NULL,
  response      bytea NOT NULL,
  PRIMARY KEY (delivery, number)
);

CREATE TABLE xref (
  entity        text NOT NULL,
  source_system text NOT NULL,
  source_id     text NOT NULL,
  target_system text NOT NULL,
  target_id     text NOT NULL,
  message       bigint NOT NULL,
  created_at    bigint NOT NULL,
  PRIMARY KEY (entity, source_system, source_id, target_system)
);

-- every text of a mapping file that a delivery used, once
CREATE TABLE mapping_version (
  hash       text PRIMARY KEY,                      -- SHA-256 of the text
  file       text NOT NULL,
  text       text NOT NULL,
  first_used bigint NOT NULL
);

-- the files behind output.mapping_hash
CREATE TABLE mapping_chain (
  hash     text NOT NULL,
  position bigint NOT NULL,
  file     text NOT NULL,                           -- one text may stand in several files
  version  text NOT NULL,
  PRIMARY KEY (hash, position)
);

-- small tables whose rows come and go: swept often, so that they stay small
ALTER TABLE work SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE claim SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
ALTER TABLE message SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
