-- Signed-in users. `factors` is JSON: what was proven, and when. A session that was ended keeps its
-- row until it would have ended by itself.
create table sessions (
    id text primary key,
    user_id text not null references users (id) on delete cascade,
    opened_at bigint not null,
    ends_at bigint not null,
    last_seen_at bigint not null,
    ended_at bigint,
    client text not null,
    user_agent text not null,
    factors text not null
);
create index sessions_user on sessions (user_id);
create index sessions_ends_at on sessions (ends_at);
