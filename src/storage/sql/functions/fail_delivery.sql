-- Notes that a delivery failed and when to try again: after 1 s, doubled with each failure up to 60
-- s, with a fifth of jitter. The wake stays valid until then, because a receiver that was only slow
-- may still call back. No row when that, or anything else, came first.
create or replace function penstock.fail_delivery(subscription bigint, wake_generation bigint)
returns table (failures bigint, retry_ms bigint, failing_ms bigint)
language sql
begin atomic
  update penstock.subscriptions u
  set phase = 'retrying',
      failures = u.failures + 1,
      failing_since = coalesce(u.failing_since, clock_timestamp()),
      due_at = clock_timestamp() + make_interval(
        secs => least(60, (2 ^ least(u.failures, 6)) * (0.8 + 0.4 * random())))
  where u.id = subscription and u.generation = wake_generation and u.phase = 'delivering'
  returning u.failures,
    ceil(extract(epoch from u.due_at - clock_timestamp()) * 1000)::bigint,
    floor(extract(epoch from clock_timestamp() - u.failing_since) * 1000)::bigint;
end;
