//! All companies in memory, found by identifier, symbol, part of a name, or a name written similarly.

use std::{collections::HashMap, sync::Arc};

use crate::{
    company::Company,
    ranking::{Entry, Hit, Match, best, match_of},
    trigram::{self, SIMILARITY_MIN, Trigram, inner_trigrams, similarity, trigrams},
};

/// An index of companies. It does not change; a new list makes a new index.
pub struct Index {
    entries: Vec<Entry>,
    /// How many trigrams the name of each entry has.
    trigram_counts: Vec<u16>,
    /// Which entries have a trigram in their name, in order.
    postings: HashMap<Trigram, Vec<u32>>,
    /// By ISIN and by WKN: the entry in the most indices.
    identifiers: HashMap<String, u32>,
    /// By symbol, in small letters, sorted: prefixes stand together.
    symbols: Vec<(String, u32)>,
}

/// What the companies searched for have to have besides; empty lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub country: Option<String>,
    pub sector: Option<String>,
    /// A stock index they belong to.
    pub index: Option<String>,
}

impl Index {
    pub fn new(companies: Vec<Company>) -> Self {
        let entries: Vec<Entry> = companies.into_iter().map(Entry::new).collect();
        let mut postings: HashMap<Trigram, Vec<u32>> = HashMap::new();
        let mut trigram_counts = Vec::with_capacity(entries.len());
        let mut identifiers: HashMap<String, u32> = HashMap::new();
        for (number, entry) in (0_u32..).zip(&entries) {
            let found = trigrams(&entry.company.name);
            trigram_counts.push(u16::try_from(found.len()).unwrap_or(u16::MAX));
            for trigram in found {
                postings.entry(trigram).or_default().push(number);
            }
            for id in [&entry.company.isin, &entry.company.wkn].into_iter().flatten() {
                let place = identifiers.entry(id.clone()).or_insert(number);
                let indices = |n: u32| entries[n as usize].company.indices.len();
                if indices(number) > indices(*place) {
                    *place = number;
                }
            }
        }
        let mut symbols: Vec<_> = entries.iter().map(|e| e.symbol.clone()).zip(0_u32..).collect();
        symbols.sort_unstable();
        Self { entries, trigram_counts, postings, identifiers, symbols }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn companies(&self) -> impl Iterator<Item = &Company> {
        self.entries.iter().map(|entry| entry.company.as_ref())
    }

    /// The company with this ISIN, WKN or symbol.
    pub fn get(&self, id: &str) -> Option<&Arc<Company>> {
        let number = self.identifiers.get(&id.to_ascii_uppercase()).copied().or_else(|| {
            let symbol = id.to_lowercase();
            let place = self.symbols.binary_search_by(|(s, _)| s.as_str().cmp(&symbol)).ok()?;
            Some(self.symbols[place].1)
        })?;
        Some(&self.entries[number as usize].company)
    }

    /// The best matches, best first. Names that are only similar are searched for when nothing else matches.
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Vec<Hit<'_>> {
        let query = query.to_lowercase();
        let mut hits = self.matches(&query);
        if hits.is_empty() {
            hits = self.similar(&query);
        }
        if !filter.is_empty() {
            hits.retain(|hit| filter.admits(&hit.entry.company));
        }
        best(hits, limit)
    }

    fn matches(&self, query: &str) -> Vec<Hit<'_>> {
        let hit = |number: u32, how: Option<Match>| {
            let entry = &self.entries[number as usize];
            Some(Hit { how: how.or_else(|| match_of(query, entry))?, similarity: 1.0, entry })
        };
        if let Some(number) = self.identifiers.get(&query.to_ascii_uppercase()) {
            return hit(*number, Some(Match::Identifier)).into_iter().collect();
        }
        let start = self.symbols.partition_point(|(symbol, _)| symbol.as_str() < query);
        let by_symbol = self.symbols[start..].iter().take_while(|(s, _)| s.starts_with(query));
        let mut numbers: Vec<u32> = by_symbol.map(|(_, number)| *number).collect();
        // Names that contain the query have all trigrams inside it: the rarest leaves the fewest to look at.
        let inner = inner_trigrams(query);
        let posting = |t: &Trigram| self.postings.get(t).map_or(&[][..], Vec::as_slice);
        match inner.iter().map(posting).min_by_key(|p| p.len()) {
            Some(rarest) => numbers.extend_from_slice(rarest),
            None => numbers.extend(
                (0_u32..)
                    .zip(&self.entries)
                    .filter_map(|(number, entry)| entry.name.contains(query).then_some(number)),
            ),
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| hit(number, None)).collect()
    }

    fn similar(&self, query: &str) -> Vec<Hit<'_>> {
        let wanted = trigrams(query);
        let mut shared = vec![0_u16; self.entries.len()];
        let mut touched = Vec::new();
        for trigram in &wanted {
            for number in self.postings.get(trigram).into_iter().flatten() {
                let count = &mut shared[*number as usize];
                if *count == 0 {
                    touched.push(*number);
                }
                *count += 1;
            }
        }
        let hit = |number: u32| {
            let place = number as usize;
            let of_name = usize::from(self.trigram_counts[place]);
            let similarity = similarity(usize::from(shared[place]), wanted.len(), of_name);
            let entry = &self.entries[place];
            (similarity >= SIMILARITY_MIN).then_some(Hit { how: Match::Similar, similarity, entry })
        };
        touched.into_iter().filter_map(hit).collect()
    }
}

/// The best of candidates that somebody else has found, by the same rules as [`Index::search`].
pub fn rank<'a>(query: &str, entries: &'a [Entry], limit: usize) -> Vec<Hit<'a>> {
    let query = query.to_lowercase();
    let matching = entries
        .iter()
        .filter_map(|entry| Some(Hit { how: match_of(&query, entry)?, similarity: 1.0, entry }));
    let mut hits: Vec<Hit<'_>> = matching.collect();
    if hits.is_empty() {
        let wanted = trigrams(&query);
        hits.extend(entries.iter().filter_map(|entry| {
            let of_name = trigrams(&entry.company.name);
            let shared = wanted.iter().filter(|t| of_name.binary_search(t).is_ok()).count();
            let similarity = trigram::similarity(shared, wanted.len(), of_name.len());
            (similarity >= SIMILARITY_MIN).then_some(Hit { how: Match::Similar, similarity, entry })
        }));
    }
    best(hits, limit)
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.country.is_none() && self.sector.is_none() && self.index.is_none()
    }

    /// Whether a company has what is asked for. Case does not matter.
    pub fn admits(&self, company: &Company) -> bool {
        let same = |wanted: &Option<String>, has: &Option<String>| match wanted {
            Some(wanted) => has.as_ref().is_some_and(|has| has.eq_ignore_ascii_case(wanted)),
            None => true,
        };
        let in_index = self.index.as_ref().is_none_or(|wanted| {
            company.indices.iter().any(|index| index.eq_ignore_ascii_case(wanted))
        });
        same(&self.country, &company.country) && same(&self.sector, &company.sector) && in_index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::listed;

    fn index() -> Index {
        Index::new(listed().unwrap())
    }

    fn symbols(index: &Index, query: &str) -> Vec<String> {
        let hits = index.search(query, &Filter::default(), 50);
        hits.iter().map(|hit| hit.entry.company.symbol.clone()).collect()
    }

    /// What it would find by looking at every company, one after the other.
    #[test]
    fn it_finds_what_looking_at_everything_finds() {
        let index = index();
        let entries: Vec<Entry> = listed().unwrap().into_iter().map(Entry::new).collect();
        for query in [
            "a",
            "ap",
            "sap",
            "bank",
            "of am",
            "&",
            "1&1",
            "%",
            "s.",
            "ÄR",
            "Industrivär",
            "7203",
            "brk-b",
            "co., l",
            "deutche bank",
            "mircosoft",
            "zzzz",
            "the",
            "x",
            "US0378331005",
            "716460",
            "716461",
            "berkshire hathawy",
            " ",
            "é",
            "no company is called this",
            "qqqq wwww zzzz",
        ] {
            let expected: Vec<String> = rank(query, &entries, 50)
                .iter()
                .map(|hit| hit.entry.company.symbol.clone())
                .collect();
            assert_eq!(symbols(&index, query), expected, "{query:?}");
        }
    }

    #[test]
    fn every_listed_company_is_found_by_its_symbol_name_and_numbers() {
        let index = index();
        for company in index.companies().step_by(7) {
            assert_eq!(symbols(&index, &company.symbol)[0], company.symbol);
            assert!(symbols(&index, &company.name).contains(&company.symbol), "{company:?}");
            assert_eq!(index.get(&company.symbol.to_lowercase()).unwrap().as_ref(), company);
            for id in [&company.isin, &company.wkn].into_iter().flatten() {
                let found = index.get(id).unwrap();
                assert_eq!(found.isin, company.isin);
                assert_eq!(symbols(&index, id), [found.symbol.as_str()]);
            }
        }
    }

    #[test]
    fn a_misspelt_name_is_found_when_nothing_else_matches() {
        let index = index();
        for (typed, symbol) in
            [("deutche bank", "DBK.DE"), ("mircosoft", "MSFT"), ("Appel Inc", "AAPL")]
        {
            let hits = index.search(typed, &Filter::default(), 3);
            assert_eq!(hits[0].entry.company.symbol, symbol);
            assert_eq!(hits[0].how, Match::Similar);
        }
        assert!(symbols(&index, "qqqq wwww zzzz").is_empty());
    }

    #[test]
    fn filters_leave_out_the_others() {
        let index = index();
        let filter =
            Filter { country: Some("germany".into()), index: Some("DAX".into()), sector: None };
        let hits = index.search("bank", &filter, 50);
        assert!(!hits.is_empty());
        assert!(hits.iter().all(|h| h.entry.company.indices.contains(&"DAX".to_owned())));
        let none = Filter { sector: Some("Potions".into()), ..Filter::default() };
        assert!(index.search("bank", &none, 50).is_empty());
    }
}
