-- set before kept bytes are sent again, cleared when the attempt is recorded: 1 means that they may have arrived
ALTER TABLE delivery ADD COLUMN sending INTEGER NOT NULL DEFAULT 0;
-- 1: planned together with its bytes, which are kept without having been sent
ALTER TABLE delivery ADD COLUMN output_planned INTEGER NOT NULL DEFAULT 0;
-- 1: a person lets it pass the calendar
ALTER TABLE delivery ADD COLUMN waived INTEGER NOT NULL DEFAULT 0;
-- 1: a later delivery of its lane was sent while it was parked
ALTER TABLE delivery ADD COLUMN overtaken INTEGER NOT NULL DEFAULT 0;
CREATE INDEX delivery_later ON delivery (cause) WHERE state = 'planned' AND cause IS NOT NULL;
CREATE INDEX delivery_parked_lane ON delivery (route, destination, lane, message, position)
  WHERE state = 'parked' AND lane <> '';

-- destinations that get nothing at the moment
CREATE TABLE pause (
  destination TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('gone', 'breaker')),
  since       INTEGER NOT NULL,
  until       INTEGER,            -- the next probe, when there is one
  address     TEXT NOT NULL,      -- the way out it is about
  reason      TEXT NOT NULL,
  PRIMARY KEY (destination, kind)
) STRICT, WITHOUT ROWID;
