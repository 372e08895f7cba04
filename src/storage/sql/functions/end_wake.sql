-- Ends the wake in flight, if there is one, and issues the next where work is left. Returns the
-- next one's generation, or null. The count of failures is kept as long as there is work, for a
-- retry is a wake of its own. The caller holds the subscription's row lock.
create or replace function penstock.end_wake(subscription bigint) returns bigint
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
begin
  update penstock.subscriptions u
  set phase = 'idle', wake_id = null, holder = null, due_at = null
  where u.id = subscription;
  if penstock.has_pending(subscription) then
    return penstock.issue_wake(subscription);
  end if;
  update penstock.subscriptions u set failures = 0, failing_since = null
  where u.id = subscription and u.failures > 0;
  return null;
end
$$;
