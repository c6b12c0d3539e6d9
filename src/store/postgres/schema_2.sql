-- what operators decided
CREATE TABLE act (
  seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id         text NOT NULL UNIQUE,
  verb       text NOT NULL,
  who        text NOT NULL,
  why        text NOT NULL,
  query      text NOT NULL,
  at         bigint NOT NULL,
  deliveries bigint NOT NULL DEFAULT 0,
  messages   bigint NOT NULL DEFAULT 0
);

-- what an act changed or made
CREATE TABLE act_on (
  message  bigint NOT NULL,
  act      bigint NOT NULL,
  delivery bigint NOT NULL,                         -- 0: the message itself
  PRIMARY KEY (message, act, delivery)
);

ALTER TABLE delivery ADD COLUMN replay_of bigint;   -- the delivery it repeats
ALTER TABLE message ADD COLUMN edited_from bigint;  -- the message it is a corrected copy of
CREATE INDEX message_edited ON message (edited_from) WHERE edited_from IS NOT NULL;

-- what is held, by cause and in accept order
DROP INDEX delivery_held;
CREATE INDEX delivery_held ON delivery (cause, message, position)
  WHERE state IN ('waiting', 'parked', 'planned') AND cause IS NOT NULL;
CREATE INDEX delivery_held_in_order ON delivery (message, position) WHERE state IN ('waiting', 'parked');
DROP INDEX message_parked;
CREATE INDEX message_parked ON message (cause, seq) WHERE state = 'parked';
CREATE INDEX message_parked_in_order ON message (seq) WHERE state = 'parked';
