-- Access tokens, of which only hashes are stored. A child goes with its parent.
create table penstock.access_tokens (
  id bigint generated always as identity primary key,
  name text collate "C" not null,
  hash text collate "C" not null,
  rules text not null,
  parent_id bigint references penstock.access_tokens (id) on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz
);

create unique index access_tokens_name on penstock.access_tokens (name);

create unique index access_tokens_hash on penstock.access_tokens (hash);

create index access_tokens_parent on penstock.access_tokens (parent_id);

-- One row, which every change of the tokens counts up: nodes remember tokens, and poll this.
create table penstock.access_revision (
  id smallint primary key,
  revision bigint not null default 0
);

insert into penstock.access_revision (id) values (1);
