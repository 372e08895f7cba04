-- One group commit. The arrays are of one length each: a row per stream, per segment, per producer.
--
-- A stream is committed when its version is the one decided against and it has neither expired nor
-- been deleted. A write that rests on nothing but an open stream (no producer, no Stream-Seq, no
-- close) is unconditional: `unconditional_from` is the tail it was laid out for, and it is rebased
-- to the tail there is, so nodes that write one stream in turn need not decide every append twice.
-- `unconditional_from` is null for all others. A stream with `writes` false is only confirmed: its
-- refusals and duplicates rest on its version.
--
-- Returns a row for each stream that was not as expected: refused ones, as they are now (without a
-- row when they are gone), and rebased ones, as they are with this commit.
--
-- The update itself compares versions, and only what it leaves out is looked up. Plans are made
-- once per session and go by index: for arrays at hand PostgreSQL would plan anew at every call,
-- and a plan made while a table is small would read all of it. The locks are taken by a statement
-- of their own, so that the next one's snapshot is younger than they are.
create or replace function penstock.commit_appends(
  ids bigint[], versions bigint[], writes boolean[], unconditional_from bigint[], tails bigint[],
  closes boolean[], seqs text[],
  segment_streams bigint[], segment_positions bigint[], segment_starts integer[],
  segment_lengths integer[], bytes bytea,
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
  next_id bigint;
  written bigint[];
  refused bigint[];
  rebased_ids bigint[];
  shifts bigint[];
begin
  foreach next_id in array ids loop
    perform pg_advisory_xact_lock(penstock.lock_key(next_id));
  end loop;

  with changed as (
    update penstock.streams s
    set tail = r.tail,
        version = s.version + 1,
        closed = s.closed or r.closes,
        last_seq = coalesce(r.seq, s.last_seq),
        last_access = penstock.renewed_access(s.last_access, s.ttl_seconds)
    from unnest(ids, versions, writes, tails, closes, seqs)
      as r(id, version, writes, tail, closes, seq)
    where s.id = r.id and r.writes and s.version = r.version and s.state = 'active'
      and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds)
    returning s.id
  )
  select array_agg(c.id) into written from changed c;

  if written is null or cardinality(written) < cardinality(ids) then
    select
      array_agg(c.id) filter (where not c.fits),
      array_agg(c.id) filter (where c.fits),
      array_agg(c.shift) filter (where c.fits)
    into refused, rebased_ids, shifts
    from (
      select r.id, s.tail - r.unconditional_from as shift,
        coalesce(
          r.unconditional_from is not null
            and s.state = 'active' and not s.closed and not s.expired,
          false) as fits
      from unnest(ids, versions, unconditional_from) as r(id, version, unconditional_from)
      left join penstock.stream_states s on s.id = r.id
      where r.id <> all (coalesce(written, '{}'))
        and (s.id is null or s.version <> r.version or s.state <> 'active' or s.expired)
    ) c;

    if rebased_ids is not null then
      update penstock.streams s
      set tail = r.tail + m.shift,
          version = s.version + 1,
          last_access = penstock.renewed_access(s.last_access, s.ttl_seconds)
      from unnest(ids, tails) as r(id, tail)
      join unnest(rebased_ids, shifts) as m(id, shift) on m.id = r.id
      where s.id = r.id;

      segment_positions := array(
        select r.position + coalesce(m.shift, 0)
        from unnest(segment_streams, segment_positions) with ordinality as r(id, position, place)
        left join unnest(rebased_ids, shifts) as m(id, shift) on m.id = r.id
        order by r.place
      );
    end if;
  end if;

  insert into penstock.segments (stream_id, position, data)
  select r.stream_id, r.position, substring(bytes from r.start + 1 for r.length)
  from unnest(segment_streams, segment_positions, segment_starts, segment_lengths)
    as r(stream_id, position, start, length)
  where refused is null or r.stream_id <> all (refused);

  if cardinality(producer_streams) > 0 then
    insert into penstock.producers as p (stream_id, producer_id, epoch, last_seq, closed_stream)
    select r.stream_id, r.producer_id, r.epoch, r.last_seq, r.closed_stream
    from unnest(producer_streams, producer_ids, producer_epochs, producer_seqs, producer_closes)
      as r(stream_id, producer_id, epoch, last_seq, closed_stream)
    where refused is null or r.stream_id <> all (refused)
    on conflict (stream_id, producer_id) do update
    set epoch = excluded.epoch,
        last_seq = excluded.last_seq,
        closed_stream = excluded.closed_stream;
  end if;

  if rebased_ids is not null or refused is not null then
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
