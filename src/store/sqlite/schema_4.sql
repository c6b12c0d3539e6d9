-- what was noticed while an output was made, one line each: warnings of assertions, violations that do not stop it
ALTER TABLE output ADD COLUMN notes TEXT NOT NULL DEFAULT '';
