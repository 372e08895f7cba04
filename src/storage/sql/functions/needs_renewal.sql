-- Whether a read has to renew the TTL now: a tenth of it has passed since the last access. So a
-- stream that is read all the time is written to ten times per TTL and not by each read.
create or replace function penstock.needs_renewal(last_access timestamptz, ttl_seconds bigint)
returns boolean
language sql stable parallel safe
return coalesce(
  last_access + make_interval(secs => ttl_seconds * 0.1::float8) <= statement_timestamp(), false
);
