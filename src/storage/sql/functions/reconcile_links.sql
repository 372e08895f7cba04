-- Reconciles a slice of all links with their streams. All nodes take turns: the row of
-- `reconciliation` says where the next slice begins and when. It finds work for which no wake was
-- issued, because a node ended before that or never learnt whether its commit succeeded, and
-- unlinks deleted streams. Returns the ids of streams to issue wakes for, with commas between, and
-- whether this slice was the last of a round. No row when it is not yet time, unless `immediately`,
-- or when another node is at it.
create or replace function penstock.reconcile_links(
  slice integer, pause_ms integer, immediately boolean
) returns table (streams text, wrapped boolean)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  progress penstock.reconciliation;
  seen bigint;
  last_stream bigint;
  last_subscription bigint;
  missed bigint[];
  deleted bigint[];
  linked bigint[];
begin
  select * into progress from penstock.reconciliation t
  where t.id = 1 and (immediately or t.next_at <= statement_timestamp()) for update skip locked;
  if progress.id is null then
    return;
  end if;
  with links as materialized (
    select l.stream_id, l.subscription_id, l.acked, l.pending
    from penstock.subscription_links l
    where (l.stream_id, l.subscription_id) > (progress.stream_id, progress.subscription_id)
    order by l.stream_id, l.subscription_id limit slice
  ), judged as (
    select l.stream_id, l.subscription_id,
      s.id is null or s.state = 'deleted' as deleted,
      s.state = 'active' and s.tail > greatest(l.acked, s.earliest)
        and (not l.pending or u.phase = 'idle') and u.deleted_at is null as missed
    from links l
    join penstock.subscriptions u on u.id = l.subscription_id
    left join penstock.stream_states s on s.id = l.stream_id
  )
  select (select count(*) from links),
    (select l.stream_id from links l order by 1 desc limit 1),
    (select l.subscription_id from links l order by l.stream_id desc, 1 desc limit 1),
    array_agg(distinct j.stream_id) filter (where j.missed),
    array_agg(distinct j.stream_id) filter (where j.deleted),
    array_agg(distinct j.subscription_id) filter (where j.deleted)
  into seen, last_stream, last_subscription, missed, deleted, linked
  from judged j;

  if deleted is not null then
    -- Only where no wake is in flight: its acknowledgements may still name the stream.
    linked := array(
      select u.id from penstock.subscriptions u
      where u.id = any (linked) and u.phase = 'idle'
      order by u.id for no key update skip locked);
    delete from penstock.subscription_links l
    where l.stream_id = any (deleted) and l.subscription_id = any (linked) and not l.explicit;
    update penstock.subscription_links l
    set stream_id = null, acked = 0, pending = false, glob = false
    where l.stream_id = any (deleted) and l.subscription_id = any (linked);
  end if;

  -- Deleted subscriptions' links go a thousand at a time, and their tombstones after a day.
  delete from penstock.subscription_links l where l.ctid in (
    select k.ctid from penstock.subscriptions u
    join penstock.subscription_links k on k.subscription_id = u.id
    where u.deleted_at is not null limit 1000);
  delete from penstock.subscriptions u
  where u.deleted_at < statement_timestamp() - interval '1 day' and not exists (
    select from penstock.subscription_links k where k.subscription_id = u.id);

  update penstock.reconciliation t
  set stream_id = case when seen < slice then 0 else last_stream end,
      subscription_id = case when seen < slice then 0 else last_subscription end,
      next_at = clock_timestamp() + make_interval(secs => pause_ms / 1000.0)
  where t.id = 1;
  return query
    select array_to_string(missed || array(
      select n.stream_id from penstock.new_streams n order by n.stream_id limit 1000), ','),
      seen < slice;
end
$$;
