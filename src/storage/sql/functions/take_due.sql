-- Takes up to `most` subscriptions whose time has come, whichever node began their wakes: leases
-- that have ended, deliveries to be tried again, wake events that were never written. Returns a row
-- each; `next_generation` is the wake to deliver now, if there is one.
create or replace function penstock.take_due(most integer)
returns table (
  id bigint, name text, was_phase penstock.wake_phase, was_generation bigint, was_holder text,
  next_generation bigint
)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
begin
  for u in
    select * from penstock.subscriptions v
    where v.due_at <= statement_timestamp()
    order by v.due_at limit most for no key update skip locked
  loop
    id := u.id;
    name := u.name;
    was_phase := u.phase;
    was_generation := u.generation;
    was_holder := u.holder;
    if u.type = 'pull-wake' and u.phase in ('delivering', 'retrying')
      and penstock.has_pending(u.id) then
      update penstock.subscriptions v
      set phase = 'delivering',
          due_at = clock_timestamp() + penstock.delivery_limit(v.type, v.lease_ttl_ms)
      where v.id = u.id;
      next_generation := u.generation;
    else
      next_generation := penstock.end_wake(u.id);
    end if;
    return next;
  end loop;
end
$$;
