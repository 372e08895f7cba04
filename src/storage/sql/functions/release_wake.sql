-- A worker gives its lease back. outcome: as of `ack_wake`.
create or replace function penstock.release_wake(
  subscription bigint, wake_generation bigint, wake text
) returns table (outcome text, next_generation bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return query select 'not_found', null::bigint;
  elsif u.generation <> wake_generation or u.wake_id is distinct from wake
    or u.phase <> 'claimed' then
    return query select 'fenced', null::bigint;
  else
    return query
      select case when u.due_at <= clock_timestamp() then 'expired' else 'ok' end,
        penstock.end_wake(u.id);
  end if;
end
$$;
