-- What happened, in the order in which it happened; each row carries the hash of the one before it.
create table audit (
    number bigint primary key,
    at bigint not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    hash blob not null
);
create index audit_at on audit (at);
create index audit_subject on audit (subject);
