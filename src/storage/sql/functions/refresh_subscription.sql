-- Compares every cursor of one subscription with its tail, and issues a wake if the subscription is
-- idle and has work. Follows a change of its links. Returns a row when there is a wake.
create or replace function penstock.refresh_subscription(subscription bigint)
returns table (id bigint, name text, generation bigint)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
begin
  select * into u from penstock.subscriptions v
  where v.id = subscription and v.deleted_at is null for no key update;
  if u.id is null then
    return;
  end if;
  perform penstock.mark_pending(u.id);
  if u.phase = 'idle' and penstock.has_pending(u.id) then
    return query select u.id, u.name, penstock.issue_wake(u.id);
  end if;
end
$$;
