-- How long a stream keeps its bytes (retention), and where those that are left begin. All of it is
-- written by PUT and by the trimmer: appends leave it as it is.
alter table penstock.streams
  add column earliest bigint not null default 0,
  add column retention_age_seconds bigint,
  add column retention_bytes bigint;

create index streams_retention on penstock.streams (id)
  where coalesce(retention_age_seconds, retention_bytes) is not null and state = 'active';

-- Which forks read a stream's bytes.
create index streams_source on penstock.streams (source_id)
  where source_id is not null and state <> 'deleted';

-- When a segment was appended, or the last of those that it was merged from. What is stored already
-- counts from now: a default that is stable needs no rewriting of the table.
alter table penstock.segments add column appended_at timestamptz not null default now();

alter table penstock.segments alter column appended_at set default clock_timestamp();

-- Streams of which bytes may have to be deleted.
create table penstock.trims (
  stream_id bigint primary key,
  deleted_to bigint not null default 0
);

-- A new argument makes another function: the old one goes. A node of before finds the new one, whose
-- further arguments have defaults.
drop function if exists penstock.create_streams(text[], text[], bigint[], bigint[], text[],
  bigint[], integer[], integer[], boolean[], bytea);

drop function if exists penstock.create_fork(text, text, bigint, bigint, boolean, bigint, text,
  bigint, bigint, bigint, bigint[], integer[], integer[], boolean[], bytea);

drop function if exists penstock.wake_streams(bigint);
