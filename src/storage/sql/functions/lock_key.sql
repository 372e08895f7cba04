-- The advisory lock of a stream. A database has one 64-bit space of them, shared with the user's
-- other programs: 'PS' in the top bytes keeps Penstock's apart. Stream ids begin at 1, so 0 (the
-- migration), -1 (the sweep), -2 (new streams and patterns) and -3 (the keys) are free.
create or replace function penstock.lock_key(stream_id bigint) returns bigint
language sql immutable parallel safe
return (20563::bigint << 48) | (stream_id & 281474976710655);
