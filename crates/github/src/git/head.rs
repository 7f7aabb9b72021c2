//! The head of a push: which refs it wants to move, before the pack.

use qnt9_model::Sha;
use qnt9_model::fact::RefUpdate;

use super::packet::{First, first};

/// A head this long moves thousands of refs.
const HEAD_BYTES_MAX: usize = 1024 * 1024;
/// Refs one push may move.
const UPDATES_MAX: usize = 1000;

/// What a push asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The refs it wants to move; none when the client only tries whether it may push.
    pub(super) updates: Vec<RefUpdate>,
    /// Whether the client reads several streams out of the answer.
    pub(super) side_band: bool,
    /// Whether the client wants to be told what became of each ref.
    pub(super) report_status: bool,
}

impl Head {
    /// Why such a push is not taken whoever makes it.
    pub(super) fn objection(&self) -> Option<String> {
        if self.updates.len() > UPDATES_MAX {
            let count = self.updates.len();
            return Some(format!(
                "{count} refs at once are too many: push {UPDATES_MAX} at a time"
            ));
        }
        let kept = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        let other = self.updates.iter().find(|update| !kept(&update.reference))?;
        let name = &other.reference;
        Some(format!("`{name}` cannot be pushed: only branches and tags are kept here"))
    }
}

/// Reads the head from the bytes received so far; `None` when more are needed. Errors are sentences
/// for the pusher.
pub(super) fn parse(received: &[u8]) -> Result<Option<Head>, String> {
    let mut head = Head::default();
    let mut rest = received;
    loop {
        match first(rest) {
            First::Incomplete if received.len() > HEAD_BYTES_MAX => {
                return Err("the list of refs is too long".to_owned());
            }
            First::Incomplete => return Ok(None),
            First::Malformed => return Err("this is not a push as git sends it".to_owned()),
            First::Flush(_) => return Ok(Some(head)),
            First::Line(content, behind) => {
                read_line(content, &mut head)?;
                rest = behind;
            }
        }
    }
}

fn read_line(content: &[u8], head: &mut Head) -> Result<(), String> {
    let text = String::from_utf8_lossy(content);
    let (command, abilities) = text.split_once('\0').unwrap_or((&text, ""));
    let command = command.trim_end_matches('\n');
    for ability in abilities.split_whitespace() {
        head.side_band |= ability == "side-band-64k";
        head.report_status |= matches!(ability, "report-status" | "report-status-v2");
    }
    if command.starts_with("push-cert") {
        return Err("signed pushes are not supported: push without `--signed`".to_owned());
    }
    if command.starts_with("shallow ") {
        return Ok(());
    }
    let malformed = || format!("`{command}` is not how git moves a ref");
    let (old, rest) = command.split_once(' ').ok_or_else(malformed)?;
    let (new, reference) = rest.split_once(' ').ok_or_else(malformed)?;
    let (old, new) = (object(old).ok_or_else(malformed)?, object(new).ok_or_else(malformed)?);
    head.updates.push(RefUpdate { reference: reference.to_owned(), old, new });
    Ok(())
}

/// An object's name, or nothing for the name of nothing; `None` for neither.
fn object(text: &str) -> Option<Option<Sha>> {
    let whole = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let nothing = text.bytes().all(|byte| byte == b'0');
    whole.then(|| (!nothing).then(|| Sha(text.to_lowercase())))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::super::packet::{FLUSH, line};
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn head(lines: &[String]) -> Vec<u8> {
        let packets = lines.iter().flat_map(|text| line(text.as_bytes()));
        packets.chain(*FLUSH).collect()
    }

    fn push() -> Vec<u8> {
        let first =
            format!("{OLD} {NEW} refs/heads/main\0 report-status side-band-64k agent=git/2");
        head(&[first, format!("{NEW} {NONE} refs/tags/old"), format!("shallow {OLD}")])
    }

    fn check(bytes: &[u8], expected: &Expect) {
        expected.assert_debug_eq(&parse(bytes));
    }

    #[test]
    fn refs_and_abilities_are_read() {
        check(
            &push(),
            &expect![[r#"
            Ok(
                Some(
                    Head {
                        updates: [
                            RefUpdate {
                                reference: "refs/heads/main",
                                old: Some(
                                    Sha(
                                        "1111111111111111111111111111111111111111",
                                    ),
                                ),
                                new: Some(
                                    Sha(
                                        "2222222222222222222222222222222222222222",
                                    ),
                                ),
                            },
                            RefUpdate {
                                reference: "refs/tags/old",
                                old: Some(
                                    Sha(
                                        "2222222222222222222222222222222222222222",
                                    ),
                                ),
                                new: None,
                            },
                        ],
                        side_band: true,
                        report_status: true,
                    },
                ),
            )
        "#]],
        );
        let probe = parse(FLUSH).unwrap().unwrap();
        assert_eq!(probe, Head::default());
    }

    #[test]
    fn what_is_no_push_is_said() {
        check(
            b"PACK\0\0\0",
            &expect![[r#"
            Err(
                "this is not a push as git sends it",
            )
        "#]],
        );
        check(
            &head(&["push-cert\0".to_owned()]),
            &expect![[r#"
            Err(
                "signed pushes are not supported: push without `--signed`",
            )
        "#]],
        );
        check(
            &head(&[format!("{OLD} zzz refs/heads/x")]),
            &expect![[r#"
            Err(
                "`1111111111111111111111111111111111111111 zzz refs/heads/x` is not how git moves a ref",
            )
        "#]],
        );
        let endless = line(&[b' '; 60_000]).repeat(1 + HEAD_BYTES_MAX / 60_000);
        assert!(parse(&endless).unwrap_err().contains("is not how git moves a ref"));
        let line = format!("shallow {OLD}");
        let endless = super::super::packet::line(line.as_bytes()).repeat(HEAD_BYTES_MAX / 50);
        check(
            &endless,
            &expect![[r#"
            Err(
                "the list of refs is too long",
            )
        "#]],
        );
    }

    #[test]
    fn what_is_not_taken_whoever_pushes_is_said() {
        let objection = |lines: &[String]| parse(&head(lines)).unwrap().unwrap().objection();
        assert_eq!(objection(&[format!("{OLD} {NEW} refs/heads/main")]), None);
        let own = objection(&[format!("{OLD} {NEW} refs/qnt9/x")]).unwrap();
        assert_eq!(own, "`refs/qnt9/x` cannot be pushed: only branches and tags are kept here");
        let many: Vec<String> =
            (0..=UPDATES_MAX).map(|n| format!("{OLD} {NEW} refs/tags/{n}")).collect();
        let many = objection(&many).unwrap();
        assert_eq!(many, "1001 refs at once are too many: push 1000 at a time");
    }

    proptest! {
        /// A head is seen when its last byte is there, and what is behind it does not matter.
        #[test]
        fn a_part_of_a_head_asks_for_more(cut in 0_usize..1000, pack in any::<Vec<u8>>()) {
            let whole = push();
            let part = &whole[..cut % whole.len()];
            prop_assert_eq!(parse(part), Ok(None));
            prop_assert_eq!(parse(&[whole.as_slice(), &pack].concat()), parse(&whole));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse(&bytes);
        }
    }
}
