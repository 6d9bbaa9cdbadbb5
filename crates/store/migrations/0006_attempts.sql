-- Failures of signing in, by (name, address) and, with an empty address, by name alone. Names that
-- nobody has are counted too, so that a lockout tells nothing.
create table attempts (
    name text not null,
    address text not null,
    failures bigint not null,
    window_started_at bigint not null,
    primary key (name, address)
);
create index attempts_started on attempts (window_started_at);
