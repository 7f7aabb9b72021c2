//! Databases of environments, and checks of the source tree.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum EnvironmentDatabase {
    /// Give an environment a masked copy of another one's database
    Copy(DatabaseCopy),
    /// Dump an environment's database, with what every table holds at that moment
    Backup(DatabaseBackup),
    /// Restore a backup into a scratch database and compare every table with what was dumped
    VerifyBackup(VerifyBackup),
}

#[derive(Debug, Args)]
pub struct DatabaseCopy {
    /// The environment that is copied
    #[arg(long, value_name = "ENVIRONMENT")]
    pub from: String,
    /// The environment that gets the copy; its key masks it
    #[arg(long, value_name = "ENVIRONMENT")]
    pub to: String,
    /// What becomes of each column
    #[arg(long, value_name = "FILE")]
    pub classes: PathBuf,
    /// The database that is copied [default: inside a step, that of what serves there]
    #[arg(long, value_name = "URL", env = "QNT9_FROM_DATABASE_URL", hide_env_values = true)]
    pub from_url: Option<String>,
    /// The database whose place the copy takes [default: inside a step, that of what serves there]
    #[arg(long, value_name = "URL", env = "QNT9_TO_DATABASE_URL", hide_env_values = true)]
    pub to_url: Option<String>,
    /// 64 hexadecimal digits, by which it is masked [default: inside a step, the environment's own key]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Only say whether every column is classified
    #[arg(long)]
    pub check: bool,
    /// Copy nothing, and say so, where nothing serves yet that could be copied
    #[arg(long)]
    pub if_serving: bool,
}

#[derive(Debug, Args)]
pub struct DatabaseBackup {
    /// The environment
    #[arg(long = "env", alias = "environment", value_name = "ENVIRONMENT")]
    pub environment: String,
    /// The folder that is made
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The database [default: inside a step, that of what serves there]
    #[arg(long, value_name = "URL", env = "QNT9_FROM_DATABASE_URL", hide_env_values = true)]
    pub url: Option<String>,
}

#[derive(Debug, Args)]
pub struct VerifyBackup {
    /// The environment
    #[arg(long = "env", alias = "environment", value_name = "ENVIRONMENT")]
    pub environment: String,
    /// The folder that `qnt9 database backup` made [default: one is made now, and removed]
    #[arg(long, value_name = "DIR")]
    pub backup: Option<PathBuf>,
    /// The greatest age, as `90m`, `24h` or `7d`
    #[arg(long, value_name = "AGE", default_value = "24h", value_parser = age_ms)]
    pub max_age: i64,
    /// The database [default: inside a step, that of what serves there]
    #[arg(long, value_name = "URL", env = "QNT9_FROM_DATABASE_URL", hide_env_values = true)]
    pub url: Option<String>,
    /// Verify nothing, and say so, where nothing serves yet that could be lost
    #[arg(long)]
    pub if_serving: bool,
}

fn age_ms(text: &str) -> Result<i64, String> {
    const SECOND_MS: i64 = 1000;
    let wrong = || format!("`{text}` is no age; write 90m, 24h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_ms = match unit {
        "s" => SECOND_MS,
        "m" => 60 * SECOND_MS,
        "h" => 60 * 60 * SECOND_MS,
        "d" => 24 * 60 * 60 * SECOND_MS,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    i64::from(number).checked_mul(unit_ms).ok_or_else(wrong)
}

#[derive(Debug, Subcommand)]
pub enum Check {
    /// Say whether this version has the engine of a check; inside a step, as the output `available`
    Available {
        /// The check
        kind: CheckKind,
    },
    /// Find faults and weaknesses in the code
    StaticAnalysis,
    /// List dependencies, their licences and known vulnerabilities
    Dependencies,
    /// Measure which lines the tests run
    Coverage,
    /// Find what is unsafe in Terraform configuration
    Infrastructure,
    /// Find what is unsafe in images
    Image,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckKind {
    StaticAnalysis,
    Dependencies,
    Coverage,
    Infrastructure,
    Image,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(age_ms("24h"), Ok(86_400_000));
        assert_eq!(age_ms("90m"), Ok(5_400_000));
        for text in ["", "24", "h", "0d", "-1d", "1 h", "é"] {
            assert!(age_ms(text).is_err(), "{text}");
        }
    }
}
