-- What the names of a token's holder are in, such as 'acme'; '' is the whole database.
alter table penstock.access_tokens add column namespace text collate "C" not null default '';

-- Keys of signed URLs. Those that a token made go with it.
create table penstock.url_keys (
  id text collate "C" primary key,
  namespace text collate "C" not null,
  token_id bigint references penstock.access_tokens (id) on delete cascade,
  secret text not null,
  created_at timestamptz not null default clock_timestamp()
);

create index url_keys_namespace on penstock.url_keys (namespace, token_id);

create index url_keys_token on penstock.url_keys (token_id);
