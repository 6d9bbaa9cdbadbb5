//! The rows of any table: read from SQLite by what its catalogue says of them, written to PostgreSQL
//! many at a time. Columns are never listed by hand, so none is forgotten.

use sqlx::AssertSqlSafe;

use super::MoveError;
use crate::connection::Connection;
use crate::query::{Value, query};
use crate::row::Row;
use crate::{StoreError, Tx};

/// What a column holds.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Integer,
    Text,
    Bytes,
}

/// A table's columns.
#[derive(Debug)]
pub(super) struct Columns {
    table: &'static str,
    columns: Vec<(String, Sort)>,
}

/// A row on its way.
pub(super) struct Moving {
    /// Where SQLite keeps it: pages go by that.
    pub(super) place: i64,
    values: Vec<Value<'static>>,
}

/// The name of the place among the columns; none of ours is called so.
const PLACE: &str = "evergate_place";

/// The tables of an SQLite database, besides its own.
pub(super) async fn tables_of(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    query("select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name")
        .fetch_all(connection)
        .await?
        .iter()
        .map(|row| row.column("name"))
        .collect()
}

/// How many rows a table has.
pub(super) async fn count(connection: &mut Connection, table: &'static str) -> Result<u64, StoreError> {
    let sql = format!("select count(*) as held from {}", quoted(table));
    query(AssertSqlSafe(sql)).fetch_one(connection).await?.count("held")
}

impl Columns {
    /// What SQLite says of a table of ours.
    pub(super) async fn of(from: &mut Tx, table: &'static str) -> Result<Self, StoreError> {
        let rows =
            query("select name, lower(type) as type from pragma_table_info($1) order by cid").bind(table);
        let rows = rows.fetch_all(from).await?;
        let columns = rows.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Self { table, columns })
    }

    /// The next rows behind a place, in the order of places.
    pub(super) async fn page_after(
        &self,
        from: &mut Tx,
        after: i64,
        most: i64,
    ) -> Result<Vec<Moving>, MoveError> {
        let sql = format!(
            "select rowid as {PLACE}, {} from {} where rowid > $1 order by rowid limit $2",
            self.names(),
            quoted(self.table)
        );
        let rows = query(AssertSqlSafe(sql)).bind(after).bind(most).fetch_all(from).await?;
        rows.iter().map(|row| self.moving(row)).collect()
    }

    /// Writes them with one statement; how many arrived.
    pub(super) async fn write(&self, to: &mut Tx, rows: Vec<Moving>) -> Result<u64, StoreError> {
        let width = self.columns.len();
        let row = |number: usize| {
            let first = number * width;
            let places: Vec<String> = (1..=width).map(|column| format!("${}", first + column)).collect();
            format!("({})", places.join(", "))
        };
        let places: Vec<String> = (0..rows.len()).map(row).collect();
        let sql =
            format!("insert into {} ({}) values {}", quoted(self.table), self.names(), places.join(", "));
        let mut insert = query(AssertSqlSafe(sql));
        for value in rows.into_iter().flat_map(|row| row.values) {
            insert = insert.bind(value);
        }
        Ok(insert.execute(to).await?.rows_affected())
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        names.join(", ")
    }

    fn moving(&self, row: &Row) -> Result<Moving, MoveError> {
        let values = self.columns.iter().map(|(name, sort)| self.value(row, name, *sort));
        Ok(Moving { place: row.column(PLACE)?, values: values.collect::<Result<_, _>>()? })
    }

    fn value(&self, row: &Row, column: &str, sort: Sort) -> Result<Value<'static>, MoveError> {
        Ok(match sort {
            Sort::Integer => Value::Integer(row.column(column)?),
            Sort::Bytes => Value::Bytes(row.column::<Option<Vec<u8>>>(column)?.map(Into::into)),
            Sort::Text => {
                let text: Option<String> = row.column(column)?;
                if text.as_ref().is_some_and(|text| text.contains('\0')) {
                    let (table, column) = (self.table.to_owned(), column.to_owned());
                    return Err(MoveError::ZeroByte { table, column });
                }
                Value::Text(text.map(Into::into))
            }
        })
    }
}

fn column(row: &Row) -> Result<(String, Sort), StoreError> {
    let (name, sort): (String, String) = (row.column("name")?, row.column("type")?);
    let sort = match sort.as_str() {
        "bigint" => Sort::Integer,
        "text" => Sort::Text,
        "blob" => Sort::Bytes,
        _ => return Err(StoreError::Corrupt { what: "type of a column", text: sort }),
    };
    Ok((name, sort))
}

/// A name that means itself in either database.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
