-- One group commit. It inserts and never updates: `ids` are its streams, `segment_…` arrays have an
-- element per segment, `confirmed_…` one per stream that is only confirmed, `producer_…` one per
-- producer. A close is a segment that says so, of no bytes if it comes alone.
--
-- A stream's segments are inserted when it is open, its tail is the one decided against
-- (`segment_tails`) and it has neither expired nor been deleted. A write that rests on nothing but
-- an open stream (no producer, no Stream-Seq, no close) is unconditional: it is rebased to the tail
-- there is, so nodes that write one stream in turn need not decide every append twice. Every row
-- carries on the last Stream-Seq. A stream of which nothing is written is confirmed: its refusals
-- and duplicates rest on its tail and on whether it is closed, which no append leaves as they were.
--
-- Returns a row for each stream that was not as expected: refused ones, as they are now (without a
-- row when they are gone), and rebased ones, as they are with this commit.
--
-- The insert itself compares, and only what it leaves out is looked up. Plans are made once per
-- session and go by index: for arrays at hand PostgreSQL would plan anew at every call, and a plan
-- made while a table is small would read all of it. The locks are taken in the order of `ids`,
-- which is ascending, by a statement of their own, so that the next one's snapshot is younger than
-- they are; with them no two nodes insert at one tail, and should they, the primary key lets one of
-- them.
create or replace function penstock.commit_appends(
  ids bigint[], ttl_streams bigint[],
  segment_streams bigint[], segment_tails bigint[], segment_positions bigint[],
  segment_unconditional boolean[], segment_closes boolean[], segment_seqs text[],
  segment_starts integer[], segment_lengths integer[], bytes bytea,
  confirmed_streams bigint[], confirmed_tails bigint[], confirmed_closed boolean[],
  producer_streams bigint[], producer_ids text[], producer_epochs bigint[],
  producer_seqs bigint[], producer_closes boolean[]
) returns table (changed_id bigint, rebased boolean, stream penstock.stream_states)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  written_streams bigint[];
  written_positions bigint[];
  refused bigint[];
  rebased_ids bigint[];
begin
  perform pg_advisory_xact_lock(penstock.lock_key(i.id)) from unnest(ids) as i(id);

  with written as (
    insert into penstock.segments as w (stream_id, position, closed, last_seq, data)
    select s.id, s.tail + (g.position - g.tail), g.closes, coalesce(g.seq, s.last_seq),
      substring(bytes from g.start + 1 for g.length)
    from unnest(segment_streams, segment_tails, segment_positions, segment_unconditional,
        segment_closes, segment_seqs, segment_starts, segment_lengths)
      as g(stream_id, tail, position, unconditional, closes, seq, start, length)
    join penstock.stream_states s on s.id = g.stream_id
    where s.state = 'active' and not s.expired and not s.closed
      and (g.unconditional or s.tail = g.tail)
    returning w.stream_id, w.position
  )
  select array_agg(w.stream_id), array_agg(w.position) into written_streams, written_positions
  from written w;

  if written_positions is distinct from segment_positions
    or written_streams is distinct from segment_streams
    or cardinality(confirmed_streams) > 0 then
    refused := array(
      select distinct g.id from unnest(segment_streams) as g(id)
      where g.id <> all (coalesce(written_streams, '{}'))
      union all
      select c.id
      from unnest(confirmed_streams, confirmed_tails, confirmed_closed) as c(id, tail, closed)
      left join penstock.stream_states s on s.id = c.id
      where s.id is null or s.tail <> c.tail or s.closed <> c.closed or s.state <> 'active'
        or s.expired
    );
    rebased_ids := array(
      select w.id
      from (
        select u.id, min(u.position) as position
        from unnest(written_streams, written_positions) as u(id, position) group by u.id
      ) w
      where w.position <> segment_tails[array_position(segment_streams, w.id)]
    );
  end if;

  if cardinality(producer_streams) > 0 then
    insert into penstock.producers (stream_id, producer_id, epoch, last_seq, closed_stream)
    select r.stream_id, r.producer_id, r.epoch, r.last_seq, r.closed_stream
    from unnest(producer_streams, producer_ids, producer_epochs, producer_seqs, producer_closes)
      as r(stream_id, producer_id, epoch, last_seq, closed_stream)
    where refused is null or r.stream_id <> all (refused);
  end if;

  if cardinality(ttl_streams) > 0 then
    update penstock.streams s set last_access = clock_timestamp()
    where s.id = any (ttl_streams) and (refused is null or s.id <> all (refused))
      and penstock.needs_renewal(s.last_access, s.ttl_seconds);
  end if;

  if refused is not null then
    return query
      select r.id, false, s
      from unnest(refused) as r(id)
      left join penstock.stream_states s on s.id = r.id
      union all
      select r.id, true, s
      from unnest(rebased_ids) as r(id)
      join penstock.stream_states s on s.id = r.id;
  end if;
end
$$;
