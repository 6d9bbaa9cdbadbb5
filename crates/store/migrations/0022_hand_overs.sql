-- One-use rows that carry a session from the portal host to another host.
create table hand_overs (
    id text primary key,
    session_id text not null references sessions (id) on delete cascade,
    host text not null,
    nonce_hash blob not null,
    expires_at bigint not null,
    used_at bigint
);
create index hand_overs_expires_at on hand_overs (expires_at);
