-- what operators decided
CREATE TABLE act (
  seq        INTEGER PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,
  verb       TEXT NOT NULL,
  who        TEXT NOT NULL,
  why        TEXT NOT NULL,
  query      TEXT NOT NULL,
  at         INTEGER NOT NULL,
  deliveries INTEGER NOT NULL DEFAULT 0,
  messages   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- what an act changed or made
CREATE TABLE act_on (
  message  INTEGER NOT NULL REFERENCES message (seq),
  act      INTEGER NOT NULL REFERENCES act (seq),
  delivery INTEGER NOT NULL,                     -- 0: the message itself
  PRIMARY KEY (message, act, delivery)
) STRICT, WITHOUT ROWID;

ALTER TABLE delivery ADD COLUMN replay_of INTEGER REFERENCES delivery (seq);
ALTER TABLE message ADD COLUMN edited_from INTEGER REFERENCES message (seq);
CREATE INDEX message_edited ON message (edited_from) WHERE edited_from IS NOT NULL;

-- what is held, by cause and in accept order
DROP INDEX delivery_held;
CREATE INDEX delivery_held ON delivery (cause, message, position) WHERE state IN ('waiting', 'parked');
CREATE INDEX delivery_held_in_order ON delivery (message, position) WHERE state IN ('waiting', 'parked');
CREATE INDEX message_held ON message (cause, seq) WHERE state = 'parked';
CREATE INDEX message_held_in_order ON message (seq) WHERE state = 'parked';

-- counted as things change, so that asking does not count a million rows
DROP INDEX message_state;
DROP INDEX delivery_state;

-- messages not yet decided upon are not in it: they are few, and counted by their index, so that accepting costs nothing
CREATE TABLE message_tally (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  routed   INTEGER NOT NULL,
  parked   INTEGER NOT NULL,
  filtered INTEGER NOT NULL,
  skipped  INTEGER NOT NULL,
  split    INTEGER NOT NULL,
  planned  INTEGER NOT NULL, -- deliveries that messages should have
  parts    INTEGER NOT NULL, -- parts that split messages should have
  present  INTEGER NOT NULL, -- parts there are
  lost     INTEGER NOT NULL  -- routed without a delivery, split without a part
) STRICT;
INSERT INTO message_tally
  SELECT 1, coalesce(sum(state = 'routed'), 0), coalesce(sum(state = 'parked'), 0),
    coalesce(sum(state = 'filtered'), 0), coalesce(sum(state = 'skipped'), 0), coalesce(sum(state = 'split'), 0),
    coalesce(sum(delivery_count), 0), coalesce(sum(part_count), 0), (SELECT count(*) FROM part),
    coalesce(sum(state = 'routed' AND delivery_count = 0 OR state = 'split' AND part_count = 0), 0)
  FROM message;

CREATE TRIGGER tally_message_in AFTER INSERT ON message WHEN NEW.state <> 'accepted' BEGIN
  UPDATE message_tally SET
    routed = routed + (NEW.state = 'routed'),
    parked = parked + (NEW.state = 'parked'),
    filtered = filtered + (NEW.state = 'filtered'),
    skipped = skipped + (NEW.state = 'skipped'),
    split = split + (NEW.state = 'split'),
    planned = planned + NEW.delivery_count,
    parts = parts + NEW.part_count,
    lost = lost + (NEW.state = 'routed' AND NEW.delivery_count = 0 OR NEW.state = 'split' AND NEW.part_count = 0);
END;
CREATE TRIGGER tally_message_out AFTER DELETE ON message WHEN OLD.state <> 'accepted' BEGIN
  UPDATE message_tally SET
    routed = routed - (OLD.state = 'routed'),
    parked = parked - (OLD.state = 'parked'),
    filtered = filtered - (OLD.state = 'filtered'),
    skipped = skipped - (OLD.state = 'skipped'),
    split = split - (OLD.state = 'split'),
    planned = planned - OLD.delivery_count,
    parts = parts - OLD.part_count,
    lost = lost - (OLD.state = 'routed' AND OLD.delivery_count = 0 OR OLD.state = 'split' AND OLD.part_count = 0);
END;
-- by far the most frequent change, in few words
CREATE TRIGGER tally_message_routed AFTER UPDATE OF state ON message
  WHEN OLD.state = 'accepted' AND NEW.state = 'routed' AND NEW.delivery_count > 0 BEGIN
  UPDATE message_tally SET routed = routed + 1, planned = planned + NEW.delivery_count;
END;
CREATE TRIGGER tally_message_change AFTER UPDATE OF state, delivery_count, part_count ON message
  WHEN NOT (OLD.state = 'accepted' AND NEW.state = 'routed' AND NEW.delivery_count > 0) BEGIN
  UPDATE message_tally SET
    routed = routed + (NEW.state = 'routed') - (OLD.state = 'routed'),
    parked = parked + (NEW.state = 'parked') - (OLD.state = 'parked'),
    filtered = filtered + (NEW.state = 'filtered') - (OLD.state = 'filtered'),
    skipped = skipped + (NEW.state = 'skipped') - (OLD.state = 'skipped'),
    split = split + (NEW.state = 'split') - (OLD.state = 'split'),
    planned = planned + NEW.delivery_count - OLD.delivery_count,
    parts = parts + NEW.part_count - OLD.part_count,
    lost = lost + (NEW.state = 'routed' AND NEW.delivery_count = 0 OR NEW.state = 'split' AND NEW.part_count = 0)
      - (OLD.state = 'routed' AND OLD.delivery_count = 0 OR OLD.state = 'split' AND OLD.part_count = 0);
END;
CREATE TRIGGER tally_part_in AFTER INSERT ON part BEGIN
  UPDATE message_tally SET present = present + 1;
END;
CREATE TRIGGER tally_part_out AFTER DELETE ON part BEGIN
  UPDATE message_tally SET present = present - 1;
END;

CREATE TABLE delivery_tally (
  route       TEXT NOT NULL,
  destination TEXT NOT NULL,
  planned     INTEGER NOT NULL DEFAULT 0,
  waiting     INTEGER NOT NULL DEFAULT 0,
  parked      INTEGER NOT NULL DEFAULT 0,
  delivered   INTEGER NOT NULL DEFAULT 0,
  filtered    INTEGER NOT NULL DEFAULT 0,
  skipped     INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (route, destination)
) STRICT, WITHOUT ROWID;
INSERT INTO delivery_tally
  SELECT route, destination, sum(state = 'planned'), sum(state = 'waiting'), sum(state = 'parked'),
    sum(state = 'delivered'), sum(state = 'filtered'), sum(state = 'skipped')
  FROM delivery GROUP BY route, destination;

CREATE TRIGGER tally_delivery_in AFTER INSERT ON delivery BEGIN
  INSERT INTO delivery_tally (route, destination, planned, waiting, parked, delivered, filtered, skipped)
    VALUES (NEW.route, NEW.destination, NEW.state = 'planned', NEW.state = 'waiting', NEW.state = 'parked',
      NEW.state = 'delivered', NEW.state = 'filtered', NEW.state = 'skipped')
    ON CONFLICT DO UPDATE SET planned = planned + excluded.planned, waiting = waiting + excluded.waiting,
      parked = parked + excluded.parked, delivered = delivered + excluded.delivered,
      filtered = filtered + excluded.filtered, skipped = skipped + excluded.skipped;
END;
CREATE TRIGGER tally_delivery_out AFTER DELETE ON delivery BEGIN
  UPDATE delivery_tally SET
    planned = planned - (OLD.state = 'planned'),
    waiting = waiting - (OLD.state = 'waiting'),
    parked = parked - (OLD.state = 'parked'),
    delivered = delivered - (OLD.state = 'delivered'),
    filtered = filtered - (OLD.state = 'filtered'),
    skipped = skipped - (OLD.state = 'skipped')
    WHERE route = OLD.route AND destination = OLD.destination;
END;
CREATE TRIGGER tally_delivery_delivered AFTER UPDATE OF state ON delivery
  WHEN OLD.state = 'planned' AND NEW.state = 'delivered' BEGIN
  UPDATE delivery_tally SET planned = planned - 1, delivered = delivered + 1
    WHERE route = OLD.route AND destination = OLD.destination;
END;
CREATE TRIGGER tally_delivery_change AFTER UPDATE OF state ON delivery
  WHEN NEW.state <> OLD.state AND NOT (OLD.state = 'planned' AND NEW.state = 'delivered') BEGIN
  UPDATE delivery_tally SET
    planned = planned + (NEW.state = 'planned') - (OLD.state = 'planned'),
    waiting = waiting + (NEW.state = 'waiting') - (OLD.state = 'waiting'),
    parked = parked + (NEW.state = 'parked') - (OLD.state = 'parked'),
    delivered = delivered + (NEW.state = 'delivered') - (OLD.state = 'delivered'),
    filtered = filtered + (NEW.state = 'filtered') - (OLD.state = 'filtered'),
    skipped = skipped + (NEW.state = 'skipped') - (OLD.state = 'skipped')
    WHERE route = OLD.route AND destination = OLD.destination;
END;
