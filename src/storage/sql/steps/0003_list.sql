-- What the listing shows. Rows that were there before know neither when they were made nor labels.

-- Their signatures change: streams get labels.
drop function if exists penstock.create_streams(
  text[], text[], bigint[], bigint[], text[], bigint[], integer[], integer[], boolean[], bytea
);

drop function if exists penstock.create_fork(
  text, text, bigint, bigint, boolean, bigint, text, bigint, bigint, bigint, bigint[], integer[],
  integer[], boolean[], bytea
);

alter table penstock.streams add column created_at timestamptz;

alter table penstock.streams alter column created_at set default clock_timestamp();

-- An object of strings; null: none.
alter table penstock.streams add column labels jsonb;

create index streams_labels on penstock.streams using gin (labels jsonb_path_ops)
  where labels is not null;

-- When a segment was inserted; of a merged one, when the last of its parts was.
alter table penstock.segments add column appended_at timestamptz;

alter table penstock.segments alter column appended_at set default clock_timestamp();

-- When this state of the producer was inserted.
alter table penstock.producers add column appended_at timestamptz;

alter table penstock.producers alter column appended_at set default clock_timestamp();
