-- Join tokens: whoever holds one gets the bootstrap files of a node's instances, once.
create table join_tokens (
    hash text primary key,
    node text not null,
    made_at bigint not null,
    expires_at bigint not null,
    used_at bigint
);
