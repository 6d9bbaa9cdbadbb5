-- What users prove themselves with. `secret` is a PHC string (password), a sealed seed (soft
-- token) or null (recovery codes, whose hashes are rows of their own). A removed credential stays
-- as a row without secret: that it existed forbids enrolling another without an administrator.
create table credentials (
    id text primary key,
    user_id text not null references users (id) on delete cascade,
    kind text not null,
    secret blob,
    label text not null,
    created_at bigint not null,
    used_at bigint,
    removed_at bigint
);
create index credentials_user on credentials (user_id, kind);
create table recovery_codes (
    credential_id text not null references credentials (id) on delete cascade,
    hash text not null,
    used_at bigint,
    primary key (credential_id, hash)
);
-- One row for each code that was accepted: a code is good once.
create table used_codes (
    credential_id text not null,
    step bigint not null,
    at bigint not null,
    primary key (credential_id, step)
);
create index used_codes_at on used_codes (at);
