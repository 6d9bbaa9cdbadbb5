-- Invitations: whoever holds the token sets the first password, once.
create table invitations (
    token_hash text primary key,
    user_id text not null references users (id) on delete cascade,
    expires_at bigint not null,
    used_at bigint
);
create index invitations_user on invitations (user_id);
