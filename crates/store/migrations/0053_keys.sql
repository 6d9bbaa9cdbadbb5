-- Keys of every kind: authority keys and internal keys (sealed), with their public halves.
create table keys (
    id text primary key,
    keeper text not null,
    purpose text not null,
    state text not null,
    generation bigint not null,
    public text,
    sealed blob,
    made_at bigint not null,
    changed_at bigint not null
);
create index keys_keeper on keys (keeper, purpose);
