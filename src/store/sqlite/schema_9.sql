-- what retention removed wholly, so that the sums still say where everything went; messages have no route
CREATE TABLE removed (
  route       TEXT NOT NULL,
  destination TEXT NOT NULL,
  state       TEXT NOT NULL,
  count       INTEGER NOT NULL,
  PRIMARY KEY (route, destination, state)
) STRICT, WITHOUT ROWID;

-- removing a row asks who refers to it
CREATE INDEX message_parent ON message (parent) WHERE parent IS NOT NULL;
CREATE INDEX part_message ON part (message);
CREATE INDEX delivery_replay ON delivery (replay_of) WHERE replay_of IS NOT NULL;

-- a cross reference outlives the message it was learnt from
CREATE TABLE xref_kept (
  entity        TEXT NOT NULL,
  source_system TEXT NOT NULL,
  source_id     TEXT NOT NULL,
  target_system TEXT NOT NULL,
  target_id     TEXT NOT NULL,
  message       INTEGER NOT NULL, -- perhaps gone
  created_at    INTEGER NOT NULL,
  PRIMARY KEY (entity, source_system, source_id, target_system)
) STRICT, WITHOUT ROWID;
INSERT INTO xref_kept
  SELECT entity, source_system, source_id, target_system, target_id, message, created_at FROM xref;
DROP TABLE xref;
ALTER TABLE xref_kept RENAME TO xref;
