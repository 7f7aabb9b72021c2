//! Workflow files that mean no good, and good ones damaged.

use super::random::Random;

/// What is put into files.
const PIECES: [&str; 60] = [
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!t ",
    "? ",
    ": ",
    "- ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "|",
    ">-\n",
    "|2+\n",
    "\"",
    "'",
    "\\",
    "#",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\t",
    "\r",
    "\r\n",
    "\n",
    "\u{feff}",
    "\0",
    "\u{85}",
    "\u{2028}",
    "é",
    "😀",
    "${{",
    "}}",
    "${{ }}",
    "${{ github.ref }}",
    "${{ insert }}: 1\n",
    "${{ fromJSON('[') }}",
    "~",
    "null",
    "true",
    "0x10",
    "1e999",
    ".inf",
    "-.nan",
    "on:\n",
    "jobs:\n",
    "steps:\n",
    "uses: ./x\n",
    "run: x\n",
    "needs: [a]\n",
    "if: always()\n",
    "strategy:\n",
    "matrix:\n",
    "  ",
    "with:\n",
    "env:\n",
    "@",
    "`",
];
/// What a workflow begins with, so that what follows is looked into.
const HEAD: &str = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: x\n";
/// How often something is repeated at most. Files are at most a megabyte.
const REPEATS_MAX: usize = 30_000;

pub(super) fn file(random: &mut Random, corpus: &[String]) -> String {
    if corpus.is_empty() || random.chance(15) {
        return hostile(random);
    }
    let mut text = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        text = damaged(random, &text, corpus);
    }
    text
}

/// A file made to be too much of something.
fn hostile(random: &mut Random) -> String {
    let count = 1 << random.below(15);
    let count = (count + random.below(count)).min(REPEATS_MAX);
    let repeat = |piece: &str| piece.repeat(count);
    match random.below(20) {
        0 => format!("{}1{}", repeat("["), repeat("]")),
        1 => format!("on: {}", repeat("{a: ")),
        2 => repeat("- "),
        3 => (0..count.min(1000)).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        4 => aliases(count.min(60)),
        5 => format!("a: &a\n{}", repeat("- *a\n")),
        6 => (0..count).map(|at| format!("k{at}: 1\n")).collect(),
        7 => {
            format!("{HEAD}{}", (0..count).map(|at| format!("    k{at}: 1\n")).collect::<String>())
        }
        8 => format!("{HEAD}    - if: {}1{}\n", repeat("("), repeat(")")),
        9 => format!("{HEAD}    - run: {}\n", repeat("${{ 1 }}")),
        10 => format!("{HEAD}    - run: ${{{{ format('{}', 1) }}}}\n", repeat("{0}")),
        11 => jobs_in_a_circle(count.min(2000)),
        12 => matrix(random.below(12) + 1, count.min(300)),
        13 => format!("on: {{schedule: [{}]}}\njobs: {{}}\n", repeat("{cron: '* * * * *'},")),
        14 => format!("on: {{push: {{branches: ['{}']}}}}\njobs: {{}}\n", repeat("**/")),
        15 => format!("\"{}\": 1\n", repeat("x")),
        16 => format!("a: |\n{}", repeat("  x\n")),
        17 => format!("{HEAD}    - run: 'x'\n{}", repeat("    - run: x\n      id: a\n")),
        18 => repeat(random.pick(&PIECES)),
        _ => (0..count.min(300)).map(|_| random.pick(&PIECES)).collect(),
    }
}

/// Anchors of which each stands for the one before twice: a few lines that mean billions.
fn aliases(count: usize) -> String {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for at in 1..=count {
        text.push_str(&format!("a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1));
    }
    text
}

fn jobs_in_a_circle(count: usize) -> String {
    let mut text = "on: push\njobs:\n".to_owned();
    for at in 0..count {
        let needed = (at + 1) % count;
        text.push_str(&format!(
            "  j{at}: {{runs-on: x, needs: [j{needed}, j0], steps: [{{run: x}}]}}\n"
        ));
    }
    text
}

fn matrix(keys: usize, values: usize) -> String {
    let values: Vec<String> = (0..values).map(|at| at.to_string()).collect();
    let values = values.join(", ");
    let mut text = format!("{HEAD}    strategy:\n      matrix:\n");
    for key in 0..keys {
        text.push_str(&format!("        k{key}: [{values}]\n"));
    }
    text.push_str(&format!("        include: [{values}]\n"));
    text
}

/// The text with one change.
fn damaged(random: &mut Random, text: &str, corpus: &[String]) -> String {
    match random.below(10) {
        0..3 => with_piece(random, text),
        3 => without_stretch(random, text),
        _ => with_other_lines(random, text, corpus),
    }
}

fn with_piece(random: &mut Random, text: &str) -> String {
    let at = border(random, text);
    format!("{}{}{}", &text[..at], random.pick(&PIECES), &text[at..])
}

fn without_stretch(random: &mut Random, text: &str) -> String {
    let (left, right) = (border(random, text), border(random, text));
    let (start, end) = (left.min(right), left.max(right));
    // Mostly a little, so that much is left.
    let end = if random.chance(80) { border_near(text, start, random.below(12)) } else { end };
    format!("{}{}", &text[..start], &text[end.max(start)..])
}

fn with_other_lines(random: &mut Random, text: &str, corpus: &[String]) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let other: Vec<&str> = corpus[random.below(corpus.len())].split('\n').collect();
    let at = random.below(lines.len());
    let taken = other[random.below(other.len())];
    let own = lines[random.below(lines.len())];
    let indented = format!("{}{}", " ".repeat(random.below(10)), lines[at].trim_start());
    match random.below(6) {
        0 => lines.insert(at, taken),
        1 => lines[at] = taken,
        2 => lines.insert(at, own),
        3 => drop(lines.remove(at)),
        4 => lines[at] = &indented,
        _ => {
            let swapped = random.below(lines.len());
            lines.swap(at, swapped);
        }
    }
    lines.join("\n")
}

/// A place between two characters.
fn border(random: &mut Random, text: &str) -> usize {
    let at = random.below(text.len() + 1);
    border_near(text, at, 0)
}

fn border_near(text: &str, at: usize, further: usize) -> usize {
    let at = (at + further).min(text.len());
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}
