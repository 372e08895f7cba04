-- The rule of expiry, the only place where it stands: a stream expires at `expires_at`, and 1.1
-- TTLs after it was last accessed. A tenth is added because reads renew the TTL only once per tenth
-- of it: a stream may expire a little late, and never early.
--
-- It goes by the database's clock alone, so nodes need not agree on the time. It takes the
-- statement's time, which is stable: with a volatile clock, the planner would neither inline this
-- function nor plan the view of states as a part of the query around it. A statement that waits for
-- a lock judges by a slightly older time, which again is late and never early.
create or replace function penstock.is_expired(
  expires_at timestamptz, last_access timestamptz, ttl_seconds bigint
) returns boolean
language sql stable parallel safe
return coalesce(expires_at <= statement_timestamp(), false) or coalesce(
  last_access + make_interval(secs => ttl_seconds * 1.1::float8) <= statement_timestamp(), false
);
