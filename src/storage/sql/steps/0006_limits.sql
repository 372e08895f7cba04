-- When a producer appended: what tells idle ones. As a default, so that appends insert as before.
alter table penstock.producers add column appended_at timestamptz;

alter table penstock.producers alter column appended_at set default clock_timestamp();
