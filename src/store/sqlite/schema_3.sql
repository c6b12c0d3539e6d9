-- which document of a mapping that makes several a delivery takes; empty for the only one
ALTER TABLE delivery ADD COLUMN document TEXT NOT NULL DEFAULT '';
