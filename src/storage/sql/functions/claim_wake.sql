-- A worker claims (protocol section 7.2) the wake in flight, or a new one where work is found that
-- no wake was issued for.
-- outcome: 'claimed', 'not_found', 'not_pull_wake', 'already_claimed', 'no_pending_work'.
create or replace function penstock.claim_wake(subscription_name text, worker text)
returns table (
  outcome text, id bigint, generation bigint, wake_id text, holder text, lease_ttl_ms bigint
)
language plpgsql
set search_path = pg_catalog, penstock, pg_temp
as $$
declare
  u penstock.subscriptions;
  result text := 'claimed';
begin
  select * into u from penstock.subscriptions v
  where v.name = subscription_name and v.deleted_at is null for no key update;
  if u.id is null then
    result := 'not_found';
  elsif u.type <> 'pull-wake' then
    result := 'not_pull_wake';
  elsif u.phase = 'claimed' and u.due_at > clock_timestamp() then
    result := 'already_claimed';
  else
    if not penstock.has_pending(u.id) then
      perform penstock.mark_pending(u.id);
    end if;
    if not penstock.has_pending(u.id) then
      perform penstock.end_wake(u.id);
      result := 'no_pending_work';
    else
      -- An expired lease belongs to another worker's wake: this worker gets one of its own.
      if u.phase in ('idle', 'claimed') then
        perform penstock.issue_wake(u.id);
      end if;
      update penstock.subscriptions v
      set phase = 'claimed', holder = worker, failures = 0, failing_since = null,
          due_at = clock_timestamp() + make_interval(secs => v.lease_ttl_ms / 1000.0)
      where v.id = u.id
      returning v.* into u;
    end if;
  end if;
  return query select result, u.id, u.generation, u.wake_id, u.holder, u.lease_ttl_ms;
end
$$;
