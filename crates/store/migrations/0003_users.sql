-- People who sign in. `name` is kept in lower case; nobody else may have it while the row stands.
create table users (
    id text primary key,
    name text not null unique,
    email text,
    state text not null,
    created_at bigint not null,
    invited_at bigint,
    locked_at bigint
);
