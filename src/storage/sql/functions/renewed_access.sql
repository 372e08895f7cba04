-- What a write makes of `last_access`: the time now, where there is a TTL to renew. Without one the
-- column stays as it is.
create or replace function penstock.renewed_access(last_access timestamptz, ttl_seconds bigint)
returns timestamptz
language sql volatile
return case when ttl_seconds is null then last_access else clock_timestamp() end;
