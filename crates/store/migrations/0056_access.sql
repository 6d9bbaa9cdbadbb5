-- Ways into the administration: API tokens and console sessions, each kept as a hash only.
create table api_tokens (
    id text primary key,
    name text not null,
    hash text not null unique,
    privileges text not null,
    made_at bigint not null,
    used_at bigint,
    revoked_at bigint
);
create table console_sessions (
    hash text primary key,
    user_id text not null references users (id) on delete cascade,
    opened_at bigint not null,
    used_at bigint not null,
    ends_at bigint not null
);
