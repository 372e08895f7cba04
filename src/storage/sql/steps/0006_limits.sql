-- When a producer appended: what tells idle ones. As a default, so that appends insert as before.
alter table penstock.producers add column appended_at timestamptz not null default now();
