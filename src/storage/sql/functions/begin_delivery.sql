-- Begins to deliver a wake, and returns the subscription, or no row when that wake is over. The
-- delivery's limit begins anew, because the wake may have waited its turn on the node.
create or replace function penstock.begin_delivery(subscription bigint, wake_generation bigint)
returns setof penstock.subscriptions
language sql
begin atomic
  update penstock.subscriptions u
  set due_at = clock_timestamp() + penstock.delivery_limit(u.type, u.lease_ttl_ms)
  where u.id = subscription and u.generation = wake_generation and u.phase = 'delivering'
    and u.deleted_at is null
  returning u.*;
end;
