//! The structure of a database as statements: what must be there before the rows come, and what after.
//!
//! Constraints, indexes and triggers come after, so that loading is quick and every constraint is
//! checked on all rows when it is added. Comments, privileges and statistics are not carried. What
//! cannot be carried yet and would change how the copy behaves is named, and stops the copy.

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::catalog::OURS;
use crate::error::{DatabaseError, refused};

/// Statements in the order in which they must be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Structure {
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

/// What belongs to an extension comes with it.
const NOT_OF_EXTENSION: &str = "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
    WHERE d.objid = x.oid AND d.deptype = 'e')";

const NOT_CARRIED: &str = "
    SELECT pg_catalog.format('partitioned table %s.%s', n.nspname, x.relname)
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    WHERE x.relkind = 'p' AND {OURS}
    UNION ALL SELECT pg_catalog.format('foreign table %s.%s', n.nspname, x.relname)
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    WHERE x.relkind = 'f' AND {OURS}
    UNION ALL SELECT pg_catalog.format('inheritance of %s', i.inhrelid::pg_catalog.regclass)
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class x ON x.oid = i.inhrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    WHERE x.relkind = 'r' AND {OURS} AND NOT x.relispartition
    UNION ALL SELECT pg_catalog.format('row security of %s.%s', n.nspname, x.relname)
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    WHERE x.relrowsecurity AND {OURS}
    UNION ALL SELECT pg_catalog.format('rule %s of %s', x.rulename, x.ev_class::pg_catalog.regclass)
    FROM pg_catalog.pg_rewrite x JOIN pg_catalog.pg_class c ON c.oid = x.ev_class
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE x.rulename <> '_RETURN' AND {OURS}
    UNION ALL SELECT pg_catalog.format('aggregate %s.%s', n.nspname, x.proname)
    FROM pg_catalog.pg_proc x JOIN pg_catalog.pg_namespace n ON n.oid = x.pronamespace
    WHERE x.prokind IN ('a', 'w') AND {OURS} AND {OWN}
    UNION ALL SELECT pg_catalog.format('range type %s.%s', n.nspname, x.typname)
    FROM pg_catalog.pg_type x JOIN pg_catalog.pg_namespace n ON n.oid = x.typnamespace
    WHERE x.typtype = 'r' AND {OURS} AND {OWN}
    UNION ALL SELECT pg_catalog.format('large object %s', x.oid)
    FROM pg_catalog.pg_largeobject_metadata x
    UNION ALL SELECT pg_catalog.format('event trigger %s', x.evtname)
    FROM pg_catalog.pg_event_trigger x WHERE {OWN}
    ORDER BY 1";

const SCHEMAS: &str = "
    SELECT pg_catalog.format('CREATE SCHEMA IF NOT EXISTS %I', n.nspname)
    FROM pg_catalog.pg_namespace n WHERE {OURS} ORDER BY n.oid";

const EXTENSIONS: &str = "
    SELECT pg_catalog.format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', x.extname, n.nspname)
    FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
    WHERE x.extname <> 'plpgsql' ORDER BY x.oid";

const TYPES: &str = "
    SELECT CASE x.typtype
      WHEN 'e' THEN pg_catalog.format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, x.typname,
        (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
         FROM pg_catalog.pg_enum e WHERE e.enumtypid = x.oid))
      WHEN 'c' THEN pg_catalog.format('CREATE TYPE %I.%I AS (%s)', n.nspname, x.typname,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname,
           pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
         FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = x.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
      ELSE pg_catalog.format('CREATE DOMAIN %I.%I AS %s%s%s%s', n.nspname, x.typname,
        pg_catalog.format_type(x.typbasetype, x.typtypmod),
        coalesce(' DEFAULT ' || x.typdefault, ''),
        CASE WHEN x.typnotnull THEN ' NOT NULL' ELSE '' END,
        (SELECT coalesce(pg_catalog.string_agg(pg_catalog.format(' CONSTRAINT %I %s', k.conname,
           pg_catalog.pg_get_constraintdef(k.oid)), '' ORDER BY k.oid), '')
         FROM pg_catalog.pg_constraint k WHERE k.contypid = x.oid AND k.contype = 'c')) END
    FROM pg_catalog.pg_type x JOIN pg_catalog.pg_namespace n ON n.oid = x.typnamespace
    WHERE {OURS} AND {OWN} AND (x.typtype IN ('e', 'd') OR (x.typtype = 'c' AND EXISTS
      (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = x.typrelid AND c.relkind = 'c')))
    ORDER BY x.oid";

const SEQUENCES: &str = "
    SELECT pg_catalog.format('CREATE SEQUENCE %I.%I AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s',
      n.nspname, x.relname, pg_catalog.format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax,
      s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = x.oid
    WHERE {OURS} AND {OWN} AND NOT EXISTS
      (SELECT 1 FROM pg_catalog.pg_depend i WHERE i.objid = x.oid AND i.deptype = 'i')
    ORDER BY x.oid";

const FUNCTIONS: &str = "
    SELECT pg_catalog.pg_get_functiondef(x.oid)
    FROM pg_catalog.pg_proc x JOIN pg_catalog.pg_namespace n ON n.oid = x.pronamespace
    WHERE x.prokind IN ('f', 'p') AND {OURS} AND {OWN} ORDER BY x.oid";

const TABLES: &str = "
    SELECT pg_catalog.format('CREATE %sTABLE %I.%I (%s)',
      CASE x.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, n.nspname, x.relname,
      coalesce(pg_catalog.string_agg(pg_catalog.concat(
        pg_catalog.quote_ident(a.attname), ' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
        (SELECT pg_catalog.format(' COLLATE %I.%I', cn.nspname, co.collname)
         FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
         WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation),
        CASE WHEN a.attgenerated <> '' THEN pg_catalog.format(' GENERATED ALWAYS AS (%s) STORED',
               pg_catalog.pg_get_expr(f.adbin, f.adrelid))
             WHEN a.attidentity <> '' THEN pg_catalog.format(' GENERATED %s AS IDENTITY (%s)',
               CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
               (SELECT pg_catalog.format('SEQUENCE NAME %I.%I INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s',
                  sn.nspname, sc.relname, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
                  CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
                FROM pg_catalog.pg_depend i JOIN pg_catalog.pg_sequence s ON s.seqrelid = i.objid
                JOIN pg_catalog.pg_class sc ON sc.oid = i.objid
                JOIN pg_catalog.pg_namespace sn ON sn.oid = sc.relnamespace
                WHERE i.refobjid = x.oid AND i.refobjsubid = a.attnum AND i.deptype = 'i'))
             WHEN f.adbin IS NOT NULL THEN ' DEFAULT ' || pg_catalog.pg_get_expr(f.adbin, f.adrelid)
        END,
        CASE WHEN a.attnotnull THEN ' NOT NULL' END), ', ' ORDER BY a.attnum), ''))
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = x.oid AND f.adnum = a.attnum
    WHERE x.relkind = 'r' AND x.relpersistence <> 't' AND {OURS} AND {OWN}
    GROUP BY x.oid, x.relpersistence, n.nspname, x.relname ORDER BY x.oid";

const OWNED: &str = "
    SELECT pg_catalog.format('ALTER SEQUENCE %I.%I OWNED BY %I.%I.%I', n.nspname, x.relname,
      tn.nspname, t.relname, a.attname)
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    JOIN pg_catalog.pg_depend o ON o.objid = x.oid AND o.deptype = 'a' AND o.refobjsubid > 0
    JOIN pg_catalog.pg_class t ON t.oid = o.refobjid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.refobjsubid
    WHERE x.relkind = 'S' AND {OURS} AND {OWN} ORDER BY x.oid";

const CONSTRAINTS: &str = "
    SELECT pg_catalog.format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s', n.nspname, t.relname,
      x.conname, pg_catalog.pg_get_constraintdef(x.oid))
    FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class t ON t.oid = x.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE x.contype IN ('p', 'u', 'c', 'x', 'f') AND t.relkind = 'r' AND {OURS}
    ORDER BY pg_catalog.strpos('pucxf', x.contype::text), x.oid";

const INDEXES: &str = "
    SELECT pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE t.relkind = '{RELKIND}' AND {OURS} AND {OWN} AND NOT EXISTS
      (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p','u','x'))
    ORDER BY x.oid";

const VIEWS: &str = "
    SELECT pg_catalog.format('CREATE %sVIEW %I.%I %s AS %s',
      CASE x.relkind WHEN 'm' THEN 'MATERIALIZED ' ELSE '' END, n.nspname, x.relname,
      CASE WHEN x.reloptions IS NULL THEN '' ELSE
        pg_catalog.format('WITH (%s)', pg_catalog.array_to_string(x.reloptions, ', ')) END,
      pg_catalog.pg_get_viewdef(x.oid))
    FROM pg_catalog.pg_class x JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
    WHERE x.relkind IN ('v', 'm') AND {OURS} AND {OWN} ORDER BY x.oid";

const TRIGGERS: &str = "
    SELECT pg_catalog.pg_get_triggerdef(x.oid) || CASE x.tgenabled WHEN 'O' THEN '' ELSE
      pg_catalog.format('; ALTER TABLE %I.%I %s TRIGGER %I', n.nspname, t.relname,
        CASE x.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END,
        x.tgname) END
    FROM pg_catalog.pg_trigger x JOIN pg_catalog.pg_class t ON t.oid = x.tgrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE NOT x.tgisinternal AND {OURS} ORDER BY x.oid";

const SEQUENCE_VALUES: &str = "
    SELECT pg_catalog.format('SELECT pg_catalog.setval(%L, %s, true)',
      pg_catalog.format('%I.%I', s.schemaname, s.sequencename), s.last_value)
    FROM pg_catalog.pg_sequences s JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
    WHERE s.last_value IS NOT NULL AND {OURS} ORDER BY 1";

/// Reads the structure; within the transaction that the client is in.
pub(crate) async fn read(client: &Client, place: &str) -> Result<Structure, DatabaseError> {
    let what = lines(client, NOT_CARRIED).await?;
    if !what.is_empty() {
        return Err(DatabaseError::NotCarried { place: place.to_owned(), what });
    }
    let mut before = Vec::new();
    for query in [SCHEMAS, EXTENSIONS, TYPES, SEQUENCES, FUNCTIONS, TABLES, OWNED] {
        before.extend(lines(client, query).await?);
    }
    let mut after = Vec::new();
    let (of_tables, of_views) =
        (INDEXES.replace("{RELKIND}", "r"), INDEXES.replace("{RELKIND}", "m"));
    for query in [CONSTRAINTS, &of_tables, VIEWS, &of_views, TRIGGERS, SEQUENCE_VALUES] {
        after.extend(lines(client, query).await?);
    }
    Ok(Structure { before, after })
}

/// Makes statements one after the other; an error names the statement that was refused.
pub(crate) async fn make(client: &Client, statements: &[String]) -> Result<(), DatabaseError> {
    const SHOWN_CHARS: usize = 160;
    for statement in statements {
        let shown: String = statement.chars().take(SHOWN_CHARS).collect();
        client.batch_execute(statement).await.map_err(refused(shown))?;
    }
    Ok(())
}

const CONSTRAINT_STATE: &str = "
    SELECT pg_catalog.format('constraint %s of %s.%s: %s%s', x.conname, n.nspname, t.relname,
      pg_catalog.pg_get_constraintdef(x.oid), CASE WHEN x.convalidated THEN '' ELSE ', not validated' END)
    FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class t ON t.oid = x.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE x.contype IN ('p', 'u', 'c', 'x', 'f') AND {OURS} ORDER BY 1";

/// The constraints of all tables, each in a line, and whether all rows were checked.
pub(crate) async fn constraints(client: &Client) -> Result<Vec<String>, DatabaseError> {
    lines(client, CONSTRAINT_STATE).await
}

/// In what the constraints, columns and indexes of two databases differ, and how many constraints the
/// first has. Rows are checked by PostgreSQL when a constraint is added; that they were is compared too.
pub(crate) async fn differences(
    source: &Client,
    copy: &Client,
) -> Result<(usize, Vec<String>), DatabaseError> {
    const OTHER_STATE: &str = "
        SELECT pg_catalog.format('column %s.%s.%s: %s%s', n.nspname, t.relname, a.attname,
          pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' ELSE '' END)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        WHERE a.attnum > 0 AND NOT a.attisdropped AND t.relkind IN ('r', 'v', 'm') AND {OURS}
        UNION ALL SELECT pg_catalog.format('index %s%s', pg_catalog.pg_get_indexdef(i.indexrelid),
          CASE WHEN i.indisvalid THEN '' ELSE ', not valid' END)
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE {OURS}
        UNION ALL SELECT pg_catalog.format('trigger %s', pg_catalog.pg_get_triggerdef(x.oid))
        FROM pg_catalog.pg_trigger x JOIN pg_catalog.pg_class t ON t.oid = x.tgrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace WHERE NOT x.tgisinternal AND {OURS}
        ORDER BY 1";
    let of_source = constraints(source).await?;
    let mut found = compare(&of_source, &constraints(copy).await?);
    found.extend(compare(&lines(source, OTHER_STATE).await?, &lines(copy, OTHER_STATE).await?));
    Ok((of_source.len(), found))
}

/// In what the lines of a copy differ from those of its source.
pub(crate) fn compare(source: &[String], copy: &[String]) -> Vec<String> {
    let missing = source.iter().filter(|line| !copy.contains(line));
    let added = copy.iter().filter(|line| !source.contains(line));
    let missing = missing.map(|line| format!("it lacks {line}"));
    missing.chain(added.map(|line| format!("it has {line}"))).collect()
}

async fn lines(client: &Client, query: &str) -> Result<Vec<String>, DatabaseError> {
    let query = query.replace("{OURS}", OURS).replace("{OWN}", NOT_OF_EXTENSION);
    let rows = client.query(&query, &[]).await.map_err(refused("reading the structure"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
