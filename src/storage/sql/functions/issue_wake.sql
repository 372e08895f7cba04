-- Issues a new wake, whose delivery begins now, and returns its generation. The caller holds the
-- subscription's row lock.
create or replace function penstock.issue_wake(subscription bigint) returns bigint
language sql
begin atomic
  update penstock.subscriptions u
  set generation = u.generation + 1,
      phase = 'delivering',
      wake_id = 'w_' || replace(gen_random_uuid()::text, '-', ''),
      holder = null,
      due_at = clock_timestamp() + penstock.delivery_limit(u.type, u.lease_ttl_ms)
  where u.id = subscription
  returning u.generation;
end;
