-- Messages that were accepted and are to be delivered. `sealed` is what the text is filled with,
-- emptied when the message is finished. `leased_until` keeps two instances from sending it both.
create table outbox (
    id text primary key,
    recipient text not null,
    kind text not null,
    sealed blob not null,
    accepted_at bigint not null,
    due_at bigint not null,
    tries bigint not null,
    leased_by text,
    leased_until bigint not null,
    finished_at bigint,
    outcome text
);
create index outbox_due on outbox (due_at) where finished_at is null;
create index outbox_finished on outbox (finished_at);
