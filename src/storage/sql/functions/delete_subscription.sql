-- Deletes a subscription: it becomes a tombstone, which fences whatever is in flight. Returns its
-- id, or null when there is none of the name.
create or replace function penstock.delete_subscription(subscription_name text) returns bigint
language sql
begin atomic
  update penstock.subscriptions u
  set deleted_at = clock_timestamp(), phase = 'idle', wake_id = null, holder = null, due_at = null
  where u.name = subscription_name and u.deleted_at is null
  returning u.id;
end;
