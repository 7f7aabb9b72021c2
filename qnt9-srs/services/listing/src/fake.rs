//! Invented companies for development: always the same ones, and recognisable by their symbol.

use crate::company::Company;

const COUNT: usize = 400;
const FIRST: [&str; 20] = [
    "Amber", "Birch", "Cedar", "Delta", "Ember", "Falcon", "Granite", "Harbour", "Indigo",
    "Juniper", "Kestrel", "Linden", "Maple", "Northern", "Opal", "Pioneer", "Quartz", "River",
    "Summit", "Tidal",
];
const SECOND: [&str; 20] = [
    "Analytics",
    "Bakery",
    "Ceramics",
    "Dynamics",
    "Energy",
    "Foods",
    "Gardens",
    "Holdings",
    "Instruments",
    "Jewellery",
    "Kitchens",
    "Logistics",
    "Motors",
    "Networks",
    "Optics",
    "Paper",
    "Railways",
    "Shipping",
    "Textiles",
    "Water",
];

/// `FAKE0000` to `FAKE0399`, each with a name of its own.
pub fn companies() -> Vec<Company> {
    (0..COUNT)
        .map(|n| Company {
            symbol: format!("FAKE{n:04}"),
            name: format!("{} {}", FIRST[n % FIRST.len()], SECOND[n / FIRST.len()]),
            indices: vec!["Fake 400".to_owned()],
            ..Company::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fake_companies_differ_and_never_look_real() {
        let fake = companies();
        let names: BTreeSet<&str> = fake.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names.len(), COUNT);
        let listed = crate::company::listed().unwrap();
        assert!(listed.iter().all(|c| !c.symbol.starts_with("FAKE")));
    }
}
