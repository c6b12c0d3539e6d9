-- how bytes are kept: 0 as they are, 1 as a Zstandard frame; digests and sizes are those of the bytes themselves
ALTER TABLE payload ADD COLUMN codec INTEGER NOT NULL DEFAULT 0;
ALTER TABLE output ADD COLUMN codec INTEGER NOT NULL DEFAULT 0;
ALTER TABLE output ADD COLUMN size INTEGER NOT NULL DEFAULT 0; -- 0 in rows older than this column, which are not compressed
-- set when retention removed the row in payload and the bytes of the outputs
ALTER TABLE message ADD COLUMN bytes_removed_at INTEGER;
