-- When a producer appended: what tells idle ones. As a default, so that appends insert as before.
-- Another step of the same release may have added it.
alter table penstock.producers add column if not exists appended_at timestamptz;

alter table penstock.producers alter column appended_at set default clock_timestamp();
