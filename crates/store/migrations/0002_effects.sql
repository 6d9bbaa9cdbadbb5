-- What must happen once: the key of a caller's write, and what came of it.
create table effects (
    key text primary key,
    fingerprint text not null,
    outcome text not null,
    at bigint not null
);
create index effects_at on effects (at);
