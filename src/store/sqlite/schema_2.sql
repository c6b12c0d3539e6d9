-- every text of a mapping file that a delivery used, once
CREATE TABLE mapping_version (
  hash       TEXT NOT NULL UNIQUE, -- SHA-256 of the text
  file       TEXT NOT NULL,
  text       TEXT NOT NULL,
  first_used INTEGER NOT NULL
) STRICT;

-- the files behind output.mapping_hash
CREATE TABLE mapping_chain (
  hash     TEXT NOT NULL,
  position INTEGER NOT NULL,
  file     TEXT NOT NULL,          -- one text may stand in several files
  version  TEXT NOT NULL REFERENCES mapping_version (hash),
  PRIMARY KEY (hash, position)
) STRICT, WITHOUT ROWID;
