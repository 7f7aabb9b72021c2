//! When versions came to their end, by their makers' own calendars.

use std::fmt;

use crate::Month;

/// Something that comes in versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// GitHub's runner images.
    Runner,
    /// Kubernetes on AKS: a year after it came there.
    Kubernetes,
    PostgreSql,
    Node,
    Python,
    Debian,
}

/// An end, and what there is instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    month: Month,
    pub(super) instead: &'static str,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.month.year, self.month.month)
    }
}

/// Product, version, year and month of its end.
const ENDS: &[(Product, &str, u16, u8)] = &[
    (Product::Runner, "ubuntu-16.04", 2021, 9),
    (Product::Runner, "ubuntu-18.04", 2023, 4),
    (Product::Runner, "ubuntu-20.04", 2025, 4),
    (Product::Runner, "windows-2016", 2022, 4),
    (Product::Runner, "windows-2019", 2025, 6),
    (Product::Runner, "macos-10.15", 2022, 12),
    (Product::Runner, "macos-11", 2024, 6),
    (Product::Runner, "macos-12", 2024, 12),
    (Product::Runner, "macos-13", 2025, 12),
    (Product::Kubernetes, "1.19", 2021, 8),
    (Product::Kubernetes, "1.20", 2022, 4),
    (Product::Kubernetes, "1.21", 2022, 7),
    (Product::Kubernetes, "1.22", 2022, 12),
    (Product::Kubernetes, "1.23", 2023, 4),
    (Product::Kubernetes, "1.24", 2023, 7),
    (Product::Kubernetes, "1.25", 2024, 1),
    (Product::Kubernetes, "1.26", 2024, 3),
    (Product::Kubernetes, "1.27", 2024, 7),
    (Product::Kubernetes, "1.28", 2025, 1),
    (Product::Kubernetes, "1.29", 2025, 3),
    (Product::Kubernetes, "1.30", 2025, 7),
    (Product::Kubernetes, "1.31", 2025, 11),
    (Product::Kubernetes, "1.32", 2026, 3),
    (Product::Kubernetes, "1.33", 2026, 6),
    (Product::PostgreSql, "9", 2021, 11),
    (Product::PostgreSql, "10", 2022, 11),
    (Product::PostgreSql, "11", 2023, 11),
    (Product::PostgreSql, "12", 2024, 11),
    (Product::PostgreSql, "13", 2025, 11),
    (Product::Node, "12", 2022, 4),
    (Product::Node, "14", 2023, 4),
    (Product::Node, "16", 2023, 9),
    (Product::Node, "18", 2025, 4),
    (Product::Node, "20", 2026, 4),
    (Product::Python, "2", 2020, 1),
    (Product::Python, "3.6", 2021, 12),
    (Product::Python, "3.7", 2023, 6),
    (Product::Python, "3.8", 2024, 10),
    (Product::Python, "3.9", 2025, 10),
    (Product::Python, "3.10", 2026, 10),
    (Product::Debian, "stretch", 2022, 6),
    (Product::Debian, "buster", 2024, 6),
];

/// The end of a version, when it has come by `today`. A version without an end here is taken for alive.
pub(super) fn ended(product: Product, version: &str, today: Month) -> Option<End> {
    let is_it = |known: &str| {
        let rest = version.strip_prefix(known);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let found = ENDS.iter().find(|(one, known, ..)| *one == product && is_it(known))?;
    let month = Month { year: found.2, month: found.3 };
    (month < today).then_some(End { month, instead: instead(product, version) })
}

fn instead(product: Product, version: &str) -> &'static str {
    match product {
        Product::Runner if version.starts_with("windows") => "windows-2025",
        Product::Runner if version.starts_with("macos") => "macos-15",
        Product::Runner => "ubuntu-24.04",
        Product::Kubernetes => "1.34 or newer (`az aks get-versions` lists what there is)",
        Product::PostgreSql => "17",
        Product::Node => "24",
        Product::Python => "3.13",
        Product::Debian => "bookworm or newer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_ended_after_its_month() {
        let in_month = |month| Month { year: 2025, month };
        assert!(ended(Product::Python, "3.9-slim", in_month(10)).is_none());
        assert!(ended(Product::Python, "3.9-slim", in_month(11)).is_some());
        assert!(ended(Product::Python, "3.90", in_month(12)).is_none());
        assert!(ended(Product::Kubernetes, "1.30.4", in_month(8)).is_some());
    }
}
