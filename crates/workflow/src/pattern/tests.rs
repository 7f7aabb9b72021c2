use super::*;
use proptest::prelude::*;

#[test]
fn patterns_match_as_documented() {
    let cases = [
        ("feature/*", "feature/my-branch", true),
        ("feature/*", "feature/a/b", false),
        ("feature/**", "feature/a/b", true),
        ("feature/**", "feature", false),
        ("main", "main", true),
        ("main", "Main", false),
        ("*", "main", true),
        ("*", "all/branches", false),
        ("**", "all/branches", true),
        ("*feature", "mona-feature", true),
        ("*feature", "feature-x", false),
        ("v2*", "v2.9", true),
        ("v[12].[0-9]+.[0-9]+", "v1.10.1", true),
        ("v[12].[0-9]+.[0-9]+", "v3.1.1", false),
        ("*.jsx?", "page.js", true),
        ("*.jsx?", "page.jsx", true),
        ("*.jsx?", "page.jsxx", false),
        ("**.js", "src/js/app.js", true),
        ("docs/*", "docs/file.txt", true),
        ("docs/*", "docs/a/file.txt", false),
        ("docs/**/*.md", "docs/README.md", true),
        ("docs/**/*.md", "docs/a/markdown/file.md", true),
        ("**/docs/**", "docs/hello.md", true),
        ("**/docs/**", "dir/docs/my-file.txt", true),
        ("**/docs/**", "mydocs/x", false),
        ("**/README.md", "README.md", true),
        ("**/*src/**", "my-src/code/js/app.js", true),
        ("**/migrate-*.sql", "db/sept/migrate-v1.sql", true),
        (r"a\*b", "a*b", true),
        (r"a\*b", "axb", false),
        ("[a-]x", "-x", true),
    ];
    for (pattern, name, expected) in cases {
        assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
    }
}

#[test]
fn the_last_matching_pattern_decides() {
    let patterns = ["releases/**", "!releases/**-alpha", "releases/keep-alpha"].map(String::from);
    assert!(any_matches(&patterns, "releases/10"));
    assert!(!any_matches(&patterns, "releases/10-alpha"));
    assert!(any_matches(&patterns, "releases/keep-alpha"));
    assert!(!any_matches(&patterns, "main"));
}

#[test]
fn a_pattern_that_is_none_says_why() {
    for (pattern, error) in [
        ("", PatternError::Empty),
        ("!", PatternError::Empty),
        ("+x", PatternError::NothingToRepeat('+')),
        ("**?", PatternError::NothingToRepeat('?')),
        ("v[12", PatternError::UnclosedSet),
        ("v[]", PatternError::EmptySet),
        ("v[9-0]", PatternError::BackwardRange('9', '0')),
        ("x\\", PatternError::NothingToEscape),
    ] {
        assert_eq!(check(pattern), Err(error), "{pattern}");
    }
}

proptest! {
    #[test]
    fn a_plain_name_matches_only_itself(name in "[a-z/._-]{1,12}", other in "[a-z/._-]{1,12}") {
        prop_assert!(matches(&name, &name));
        prop_assert_eq!(matches(&name, &other), name == other);
        prop_assert!(matches("**", &name));
    }

    #[test]
    fn no_pattern_panics(pattern in ".{0,12}", name in ".{0,12}") {
        any_matches(&[pattern], &name);
    }
}
