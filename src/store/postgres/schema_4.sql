-- what retention removed wholly, so that the sums still say where everything went; messages have no route
CREATE TABLE removed (
  route       text NOT NULL,
  destination text NOT NULL,
  state       text NOT NULL,
  count       bigint NOT NULL,
  PRIMARY KEY (route, destination, state)
);

CREATE INDEX message_parent ON message (parent) WHERE parent IS NOT NULL;
CREATE INDEX part_message ON part (message);
CREATE INDEX attempt_ended ON attempt (ended_at);
CREATE INDEX delivery_replay ON delivery (replay_of) WHERE replay_of IS NOT NULL;
