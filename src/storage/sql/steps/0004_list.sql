-- What the listing shows. Streams that were there before know neither when they were made nor labels.
alter table penstock.streams add column created_at timestamptz;

alter table penstock.streams alter column created_at set default clock_timestamp();

-- An object of strings; null: none.
alter table penstock.streams add column labels jsonb;

create index streams_labels on penstock.streams using gin (labels jsonb_path_ops)
  where labels is not null;

-- A new argument makes another function: the old one goes, as in the step before.
drop function if exists penstock.create_streams(text[], text[], bigint[], bigint[], text[],
  bigint[], integer[], integer[], boolean[], bytea, bigint[], bigint[]);

drop function if exists penstock.create_fork(text, text, bigint, bigint, boolean, bigint, text,
  bigint, bigint, bigint, bigint[], integer[], integer[], boolean[], bytea, bigint, bigint);
