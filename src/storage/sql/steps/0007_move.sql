-- A load of a dump that has not ended: how far it is, so that it can go on. One row at most.
create table penstock.loads (
  id smallint primary key,
  entry bigint not null,
  checksum text not null,
  stream_id bigint not null,
  started_at timestamptz not null default clock_timestamp()
);

-- A stream's id is in its offsets. A database in which no stream was ever created begins to count at
-- a random place, so that streams of two databases have different ids: one can then be loaded into
-- the other, and an offset of the one is never mistaken for one of the other.
select setval('penstock.streams_id_seq', 1 + floor(random() * 8e12)::bigint, false)
from penstock.streams_id_seq q
where not q.is_called;
