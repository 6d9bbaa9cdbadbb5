-- Codes sent by e-mail, one for each run through the sign-in pages; a new one replaces the old.
create table email_codes (
    sign_in text primary key,
    user_id text not null references users (id) on delete cascade,
    hash text not null,
    tries_left bigint not null,
    expires_at bigint not null
);
create index email_codes_expires on email_codes (expires_at);
