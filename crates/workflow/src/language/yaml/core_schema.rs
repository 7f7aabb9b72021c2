//! The core schema of YAML 1.2: what a scalar is by its text and its tag.

use saphyr_parser::{ScalarStyle, Tag};

use super::{Abort, Mark, Scalar};
use crate::Position;
use crate::language::token::TokenKind;

impl Scalar<'_> {
    /// The scalar that YAML's core schema sees, or why a tag does not fit it.
    pub(in crate::language) fn kind(&self, mark: &Mark<'_>) -> Result<TokenKind, Abort> {
        let Position { line, column } = mark.position;
        let abort = |message: String| {
            Err(Abort { message, span: mark.span.clone(), hint: None, is_placed: false })
        };
        let text = self.text.as_ref();
        let invalid = |tag: &str| {
            abort(format!(
                "The value '{text}' on line {line} and column {column} is invalid for the type \
                 'tag:yaml.org,2002:{tag}'"
            ))
        };
        let Some(tag) = &self.tag else {
            if self.style != ScalarStyle::Plain {
                return Ok(TokenKind::String(text.to_owned()));
            }
            return plain(text).or_else(|()| invalid("int"));
        };
        let name = core_name(tag);
        if name == "str" {
            return Ok(TokenKind::String(text.to_owned()));
        }
        if self.style != ScalarStyle::Plain {
            let style = style_name(self.style);
            return abort(format!(
                "The scalar style '{style}' on line {line} and column {column} is not valid with \
                 the tag '{}{}'",
                tag.handle, tag.suffix
            ));
        }
        match name {
            "bool" => boolean(text).map_or_else(|| invalid(name), Ok),
            "null" => null(text).map_or_else(|| invalid(name), Ok),
            "int" => match integer(text) {
                Ok(Some(number)) => Ok(TokenKind::Number(number)),
                _ => invalid(name),
            },
            "float" => match float(text) {
                Some(number) => Ok(TokenKind::Number(number)),
                _ => invalid(name),
            },
            _ => abort(format!("Unexpected tag '{}{}'", tag.handle, tag.suffix)),
        }
    }
}

/// What a plain scalar is; an error when it is an integer that GitHub cannot hold.
fn plain(text: &str) -> Result<TokenKind, ()> {
    if let Some(kind) = null(text).or_else(|| boolean(text)) {
        return Ok(kind);
    }
    Ok(match integer(text)?.or_else(|| float(text)) {
        Some(number) => TokenKind::Number(number),
        None => TokenKind::String(text.to_owned()),
    })
}

fn null(text: &str) -> Option<TokenKind> {
    matches!(text, "" | "null" | "Null" | "NULL" | "~").then_some(TokenKind::Null)
}

fn boolean(text: &str) -> Option<TokenKind> {
    match text {
        "true" | "True" | "TRUE" => Some(TokenKind::Boolean(true)),
        "false" | "False" | "FALSE" => Some(TokenKind::Boolean(false)),
        _ => None,
    }
}

/// `[-+]?[0-9]+`, `0x…` and `0o…`; the latter two must fit 32 bits, as on GitHub.
fn integer(text: &str) -> Result<Option<f64>, ()> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_all = |digits: &str, radix| {
        !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))
    };
    if is_all(digits, 10) {
        return text.parse().map(Some).map_err(drop);
    }
    // GitHub reads the 32 bits as a signed number.
    let bits = |digits: &str, radix| {
        u32::from_str_radix(digits, radix).map(|bits| Some(f64::from(bits.cast_signed())))
    };
    match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) if is_all(digits, 16) => bits(digits, 16).map_err(drop),
        (_, Some(digits)) if is_all(digits, 8) => bits(digits, 8).map_err(drop),
        _ => Ok(None),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, `.inf` and `.nan`.
fn float(text: &str) -> Option<f64> {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_mantissa =
        is_digits(whole) && is_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    if is_mantissa && is_exponent { text.parse().ok() } else { None }
}

/// What a tag of the core schema says, such as `str`; empty for other tags.
fn core_name(tag: &Tag) -> &str {
    const CORE: &str = "tag:yaml.org,2002:";
    if tag.handle == CORE { &tag.suffix } else { tag.suffix.strip_prefix(CORE).unwrap_or("") }
}

fn style_name(style: ScalarStyle) -> &'static str {
    match style {
        ScalarStyle::Plain => "Plain",
        ScalarStyle::SingleQuoted => "SingleQuoted",
        ScalarStyle::DoubleQuoted => "DoubleQuoted",
        ScalarStyle::Literal => "Literal",
        ScalarStyle::Folded => "Folded",
    }
}
