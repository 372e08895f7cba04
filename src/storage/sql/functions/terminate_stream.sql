-- Terminates a stream: for a DELETE, or (`expired_only`) because it has expired. A stream with
-- forks is soft-deleted, and keeps what they need. One without is deleted, and with it every
-- soft-deleted source whose last fork it was; `terminated` are the ids of all of them. outcome:
-- 'deleted', 'soft_deleted', 'already_soft_deleted', 'not_found' (deleted before, or expired before
-- the DELETE came), 'active' (`expired_only`, and it has not expired). A source is always older
-- than its forks, so a chain that is locked in ascending order cannot meet a group commit's locks
-- in another order.
create or replace function penstock.terminate_stream(target bigint, expired_only boolean)
returns table (outcome text, terminated bigint[])
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  s penstock.stream_states;
  source penstock.streams;
  result text;
  terminated_ids bigint[] := '{}';
begin
  perform penstock.lock_streams(
    array(select c.id from penstock.fork_chain(target) c order by c.id));
  select * into s from penstock.stream_states v where v.id = target;

  if s.id is null or s.state = 'deleted' then
    return query select 'not_found', terminated_ids;
    return;
  elsif s.state = 'soft_deleted' then
    return query select 'already_soft_deleted', terminated_ids;
    return;
  elsif expired_only and not s.expired then
    return query select 'active', terminated_ids;
    return;
  end if;

  terminated_ids := array[target];
  if s.fork_count > 0 then
    update penstock.streams set state = 'soft_deleted' where id = target;
    perform penstock.note_trims(array[target]);
    result := case when s.expired then 'already_soft_deleted' else 'soft_deleted' end;
    return query select result, terminated_ids;
    return;
  end if;

  result := case when s.expired then 'not_found' else 'deleted' end;
  update penstock.streams set state = 'deleted' where id = target;
  loop
    exit when s.source_id is null;
    update penstock.streams u set fork_count = u.fork_count - 1
    where u.id = s.source_id returning u.* into source;
    exit when source.state <> 'soft_deleted' or source.fork_count > 0;
    update penstock.streams set state = 'deleted' where id = source.id;
    terminated_ids := terminated_ids || source.id;
    select * into s from penstock.stream_states v where v.id = source.id;
  end loop;
  -- What only the fork still read of its sources may be deleted now.
  if source.id is not null then
    perform penstock.note_trims(array(
      select u.id from penstock.fork_chain(source.id) c
      join penstock.streams u on u.id = c.id and u.state <> 'deleted'
      where u.earliest > 0 or u.state = 'soft_deleted'));
  end if;
  return query select result, terminated_ids;
end
$$;
