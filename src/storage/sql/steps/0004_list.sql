-- What the listing shows. Streams that were there before know neither when they were made nor labels.
alter table penstock.streams add column created_at timestamptz;

alter table penstock.streams alter column created_at set default clock_timestamp();

-- An object of strings; null: none.
alter table penstock.streams add column labels jsonb;

create index streams_labels on penstock.streams using gin (labels jsonb_path_ops)
  where labels is not null;
