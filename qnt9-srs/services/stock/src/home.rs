//! The homepage: which version runs where, and a search form.

use std::fmt::Write as _;

use chassis::config;

use crate::catalog;

/// What the homepage shows below its form.
pub enum Found<'a> {
    /// Nothing was searched for.
    Nothing,
    Companies(&'a [catalog::Found]),
    /// The search could not be answered, and why.
    Problem(&'a str),
}

/// The page as HTML. `query` is shown in the form again.
pub fn page(environment: &str, release: &str, query: &str, found: &Found<'_>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let commit = config::COMMIT.map_or("unknown", |sha| &sha[..sha.len().min(7)]);
    let (environment, release, query) = (escape(environment), escape(release), escape(query));
    let found = found_html(found);
    format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Stock search</title>
<style>
  :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
  body {{ max-width: 46rem; margin: 3rem auto; padding: 0 1rem }}
  input, button {{ font: inherit; padding: .3rem .6rem }}
  table {{ border-collapse: collapse; margin-top: 1rem }}
  td {{ padding: .2rem 1rem .2rem 0 }}
  footer {{ margin-top: 3rem; font-size: .85rem; opacity: .7; overflow-wrap: anywhere }}
</style>
<h1>Stock search</h1>
<form action="/" method="get">
  <input name="query" value="{query}" aria-label="Symbol or name" placeholder="Symbol or name" autofocus>
  <button>Search</button>
</form>
{found}
<footer>stock {version}, commit {commit}, {environment}, release {release}</footer>
</html>
"#
    )
}

fn found_html(found: &Found<'_>) -> String {
    let companies = match found {
        Found::Nothing => return String::new(),
        Found::Problem(problem) => return format!("<p>{}</p>", escape(problem)),
        Found::Companies([]) => return "<p>No company matches.</p>".to_owned(),
        Found::Companies(companies) => companies,
    };
    let mut html = "<table>\n".to_owned();
    for catalog::Found { company, .. } in *companies {
        let (symbol, name) = (escape(&company.symbol), escape(&company.name));
        let country = escape(company.country.as_deref().unwrap_or(""));
        let indices = escape(&company.indices.join(", "));
        // Writing to a String cannot fail.
        let _ = writeln!(
            html,
            "<tr><td>{symbol}</td><td>{name}</td><td>{country}</td><td>{indices}</td></tr>"
        );
    }
    html + "</table>"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_runs_where() {
        let html = page("staging", "sha256:abc", "", &Found::Nothing);
        assert!(html.contains("staging, release sha256:abc"), "{html}");
    }

    #[test]
    fn nothing_a_visitor_types_becomes_markup() {
        let typed = r#""><script>alert(1)</script>"#;
        let html = page("staging", "none", typed, &Found::Problem(typed));
        assert!(!html.contains("<script>"), "{html}");
    }

    #[test]
    fn each_company_is_a_row() {
        let listed = listing::company::listed().unwrap();
        let found: Vec<catalog::Found> = listed[..3]
            .iter()
            .map(|company| catalog::Found {
                company: company.clone().into(),
                how: listing::ranking::Match::Inside,
                similarity: 1.0,
            })
            .collect();
        let html = page("staging", "none", "a", &Found::Companies(&found));
        assert_eq!(html.matches("<tr>").count(), 3);
    }
}
