-- Notes that the receiver accepted the webhook, or that the wake event was written. A wake event
-- then waits without a limit to be claimed. Returns false when that wake is over.
create or replace function penstock.confirm_delivery(subscription bigint, wake_generation bigint)
returns boolean
language sql
begin atomic
  with done as (
    update penstock.subscriptions u
    set phase = 'delivered', failures = 0, failing_since = null,
        due_at = case u.type when 'webhook' then u.due_at end
    where u.id = subscription and u.generation = wake_generation and u.phase = 'delivering'
    returning 1
  )
  select exists (select from done);
end;
