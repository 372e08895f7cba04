-- The tables of Penstock 0.2, as src/storage/schema.ts declares them; a test compares the two. Each
-- statement ends with a semicolon and an empty line.

-- 'soft_deleted': deleted or expired while forks still read from it. 'deleted': a tombstone, which
-- the sweep takes away.
create type penstock.stream_state as enum ('active', 'soft_deleted', 'deleted');

-- Where a subscription's one wake is (protocol section 7); schema.ts says what each phase means.
create type penstock.wake_phase as enum ('idle', 'delivering', 'delivered', 'claimed', 'retrying');

-- What appending does not change, so that nothing of it is rewritten by an append. What it does
-- change follows from the stream's newest segment: see the view `stream_states`.
create table penstock.streams (
  id bigint generated always as identity primary key,
  path text collate "C" not null,
  content_type text not null,
  state penstock.stream_state not null default 'active',
  ttl_seconds bigint,
  expires_at timestamptz,
  last_access timestamptz not null default clock_timestamp(),
  source_id bigint,
  source_path text,
  fork_position bigint,
  fork_anchor bigint,
  fork_sub_offset bigint,
  expiry_inherited boolean not null default false,
  fork_count bigint not null default 0
) with (
  fillfactor = 90,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 200
);

create unique index streams_path on penstock.streams (path) where state <> 'deleted';

create index streams_deleted on penstock.streams (id) where state = 'deleted';

create index streams_expires_at on penstock.streams (expires_at)
  where expires_at is not null and state = 'active';

-- Not an index on last_access itself: it would end the HOT updates of renewals.
create index streams_ttl on penstock.streams (id)
  where ttl_seconds is not null and state = 'active';

-- Inserted and never updated by an append: autovacuum has nothing to remove, but it freezes the
-- rows and marks their pages as visible to all. Freezing them at its first visit spares the visit
-- of the whole table that a wraparound would ask for. Deleted streams leave few rows and many bytes
-- of TOAST.
create table penstock.segments (
  stream_id bigint not null,
  position bigint not null,
  closed boolean not null default false,
  last_seq text,
  data bytea not null,
  primary key (stream_id, position)
) with (
  autovacuum_freeze_min_age = 0,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_vacuum_insert_threshold = 100000,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  toast.autovacuum_freeze_min_age = 0,
  toast.autovacuum_vacuum_insert_scale_factor = 0.05,
  toast.autovacuum_vacuum_scale_factor = 0.02
);

-- Bytes are written once and read often, mostly in ranges: they are never compressed, so that a
-- part of them can be fetched.
alter table penstock.segments alter column data set storage external;

-- Inserted too: the newest of a producer's rows, the last by the key, is its state, and the sweep
-- takes away those before it.
create table penstock.producers (
  stream_id bigint not null,
  producer_id text collate "C" not null,
  epoch bigint not null,
  last_seq bigint not null,
  closed_stream boolean not null default false,
  primary key (stream_id, producer_id, epoch, last_seq)
) with (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

create table penstock.subscriptions (
  id bigint generated always as identity primary key,
  name text collate "C" not null,
  type text not null,
  pattern text collate "C",
  pattern_regex text,
  pattern_prefix text collate "C",
  pattern_suffix text collate "C",
  webhook_url text,
  wake_stream text collate "C",
  lease_ttl_ms bigint not null,
  description text,
  config_hash text not null,
  created_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz,
  generation bigint not null default 0,
  phase penstock.wake_phase not null default 'idle',
  wake_id text,
  holder text,
  due_at timestamptz,
  failures bigint not null default 0,
  failing_since timestamptz
) with (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 200
);

create unique index subscriptions_name on penstock.subscriptions (name)
  where deleted_at is null;

create index subscriptions_due on penstock.subscriptions (due_at) where due_at is not null;

create index subscriptions_pattern on penstock.subscriptions (pattern_prefix, pattern_suffix)
  where deleted_at is null and pattern is not null;

create index subscriptions_deleted on penstock.subscriptions (deleted_at)
  where deleted_at is not null;

create table penstock.subscription_links (
  subscription_id bigint not null,
  path text collate "C" not null,
  explicit boolean not null,
  glob boolean not null,
  stream_id bigint,
  acked bigint not null,
  pending boolean not null default false,
  reattached bigint not null default 0,
  primary key (subscription_id, path)
) with (fillfactor = 80);

create index subscription_links_stream
  on penstock.subscription_links (stream_id, subscription_id);

create index subscription_links_path on penstock.subscription_links (path);

create index subscription_links_pending on penstock.subscription_links (subscription_id, path)
  where pending;

create table penstock.new_streams (
  stream_id bigint primary key
);

create table penstock.reconciliation (
  id smallint primary key,
  stream_id bigint not null default 0,
  subscription_id bigint not null default 0,
  next_at timestamptz not null default clock_timestamp()
);

insert into penstock.reconciliation (id) values (1);

create table penstock.keys (
  kid text primary key,
  purpose text not null,
  jwk text not null,
  created_at timestamptz not null default clock_timestamp(),
  retired_at timestamptz
);
