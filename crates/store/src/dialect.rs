//! The few statements that must differ, side by side. All others are said once, in their noun's file.

/// One thing, said to either database.
pub(crate) struct Texts {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

/// Begins a write: from here to its end nobody else writes, so that a transaction reads what it writes
/// by, on both databases, without ever being told to try again. PostgreSQL has no such lock, so
/// all writers take one that we agreed on (the letters of `evergate` as a number); it is given up with the transaction, after that can be seen.
/// The notice goes out with the commit and wakes followers.
pub(crate) const BEGIN: Texts = Texts {
    sqlite: "begin immediate",
    postgres: "begin; select pg_advisory_xact_lock(7311142587117696101); notify evergate",
};

/// What changes with every commit of anybody. PostgreSQL's snapshot names the transactions that are
/// done; those of other databases of the same server wake us needlessly, which harms nobody.
pub(crate) const VERSION: Texts =
    Texts { sqlite: "pragma data_version", postgres: "select pg_current_snapshot()::text" };

/// Whether the table of migrations is there: `tables` is 0 or 1.
pub(crate) const MIGRATIONS_TABLE: Texts = Texts {
    sqlite: "select count(*) as tables from sqlite_master where type = 'table' and name = 'migrations'",
    postgres: "select count(to_regclass('migrations')) as tables",
};

/// What the tables are written with that PostgreSQL calls otherwise: bytes.
pub(crate) const BLOB: Texts = Texts {
    sqlite: "",
    postgres: "do $$ begin if to_regtype('blob') is null then create domain blob as bytea; end if; end $$",
};

/// Texts sort by their bytes in SQLite; PostgreSQL sorts as its database was told to, unless a column
/// says otherwise. An order that hangs on the system's locale would change under an index with it.
pub(crate) fn tables_for_postgres(sql: &str) -> String {
    let mut told = String::with_capacity(sql.len() * 2);
    for line in sql.lines() {
        let code = if line.trim_start().starts_with("--") { line.to_owned() } else { sorted_by_bytes(line) };
        told.push_str(&code);
        told.push('\n');
    }
    told
}

fn sorted_by_bytes(line: &str) -> String {
    const TYPE: &str = " text";
    let mut told = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(TYPE) {
        told.push_str(before);
        told.push_str(TYPE);
        if after.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_') {
            told.push_str(" collate \"C\"");
        }
        rest = after;
    }
    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_columns_sort_by_bytes_and_comments_and_longer_words_stay() {
        let sql = "-- a text\nkey text primary key,\nemail text,\nlast text\nx texture";
        let told = "-- a text\nkey text collate \"C\" primary key,\nemail text collate \"C\",\n\
                    last text collate \"C\"\nx texture\n";
        assert_eq!(tables_for_postgres(sql), told);
    }
}
