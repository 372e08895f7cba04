-- One group commit, as in 0001, with one thing more: a write that rests on nothing but a stream
-- that is open (no producer, no Stream-Seq, no close) fits any tail. It says in `floats_from` which
-- tail it was laid out for, and is moved to the one there is: nodes that write one stream in turn
-- need not decide every append twice. Without `floats_from` (null) the version has to be the one
-- decided against. The function of 0001 stays, for nodes that have not been replaced yet.
--
-- Answers a row for each stream that was not as expected: refused ones, whose row says how they are
-- now, and moved ones, as they are with this commit.
create function penstock.commit_appends(
  ids bigint[], versions bigint[], writes boolean[], floats_from bigint[], tails bigint[],
  closes boolean[], seqs text[],
  segment_streams bigint[], segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], bytes bytea,
  producer_streams bigint[], producer_ids text[], producer_epochs bigint[],
  producer_seqs bigint[], producer_closes boolean[]
) returns table (changed_id bigint, moved boolean, stream penstock.stream_states)
language plpgsql as $$
declare
  refused bigint[];
  moved_ids bigint[];
  shifts bigint[];
begin
  perform penstock.lock_streams(ids);

  select
    coalesce(array_agg(c.id) filter (where not c.fits), '{}'),
    array_agg(c.id) filter (where c.fits),
    array_agg(c.shift) filter (where c.fits)
  into refused, moved_ids, shifts
  from (
    select r.id, s.tail - r.floats_from as shift,
      coalesce(r.floats_from is not null and s.state = 0 and not s.closed and not s.expired, false)
        as fits
    from unnest(ids, versions, floats_from) as r(id, version, floats_from)
    left join penstock.stream_states s on s.id = r.id
    where s.id is null or s.version <> r.version or s.state <> 0 or s.expired
  ) c;

  if moved_ids is not null then
    tails := array(
      select r.tail + coalesce(m.shift, 0)
      from unnest(ids, tails) with ordinality as r(id, tail, place)
      left join unnest(moved_ids, shifts) as m(id, shift) on m.id = r.id
      order by r.place
    );
    segment_positions := array(
      select r.position + coalesce(m.shift, 0)
      from unnest(segment_streams, segment_positions) with ordinality as r(id, position, place)
      left join unnest(moved_ids, shifts) as m(id, shift) on m.id = r.id
      order by r.place
    );
  end if;

  update penstock.streams s
  set tail = r.tail,
      version = s.version + 1,
      closed = s.closed or r.closes,
      last_seq = coalesce(r.seq, s.last_seq),
      last_access = case when s.ttl_seconds is null then s.last_access else clock_timestamp() end
  from unnest(ids, writes, tails, closes, seqs) as r(id, writes, tail, closes, seq)
  where s.id = r.id and r.writes and r.id <> all (refused);

  insert into penstock.segments (stream_id, position, data)
  select r.stream_id, r.position, substring(bytes from r.start + 1 for r.length)
  from unnest(segment_streams, segment_positions, segment_starts, segment_lengths)
    as r(stream_id, position, start, length)
  where r.stream_id <> all (refused);

  if cardinality(producer_streams) > 0 then
    insert into penstock.producers as p (stream_id, producer_id, epoch, last_seq, closed_stream)
    select * from unnest(producer_streams, producer_ids, producer_epochs, producer_seqs,
        producer_closes) as r(stream_id, producer_id, epoch, last_seq, closed_stream)
    where r.stream_id <> all (refused)
    on conflict (stream_id, producer_id) do update
    set epoch = excluded.epoch,
        last_seq = excluded.last_seq,
        closed_stream = excluded.closed_stream;
  end if;

  if moved_ids is not null or cardinality(refused) > 0 then
    return query
      select r.id, false, s
      from unnest(refused) as r(id)
      left join penstock.stream_states s on s.id = r.id
      union all
      select r.id, true, s
      from unnest(moved_ids) as r(id)
      join penstock.stream_states s on s.id = r.id;
  end if;
end
$$;
