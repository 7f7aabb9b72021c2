//! The stylesheet, the script and the icon, named by their content so that browsers may keep them for ever.

use std::sync::LazyLock;

/// A file that pages refer to.
pub struct Asset {
    /// Its path: content hash included.
    pub path: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

/// Digits of the content's sha256 that a path carries.
const HASH_DIGITS: usize = 16;

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| asset("console", "css", "text/css; charset=utf-8", STYLE_SOURCE));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| asset("console", "js", "text/javascript; charset=utf-8", SCRIPT_SOURCE));

static ICON: LazyLock<Asset> = LazyLock::new(|| asset("icon", "svg", "image/svg+xml", ICON_SOURCE));

const STYLE_SOURCE: &str = include_str!("../assets/console.css");
const SCRIPT_SOURCE: &str = include_str!("../assets/console.js");
const ICON_SOURCE: &str = include_str!("../assets/icon.svg");

fn asset(name: &str, suffix: &str, media_type: &'static str, source: &'static str) -> Asset {
    let hash = qnt9_model::entry::digest(source);
    let path = format!("/assets/{name}.{}.{suffix}", &hash[..HASH_DIGITS]);
    Asset { path, media_type, content: source.as_bytes() }
}

/// The stylesheet.
#[must_use]
pub fn style() -> &'static Asset {
    &STYLE
}

/// The script.
#[must_use]
pub fn script() -> &'static Asset {
    &SCRIPT
}

/// The icon.
#[must_use]
pub fn icon() -> &'static Asset {
    &ICON
}

/// The asset of that path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Asset> {
    [style(), script(), icon()].into_iter().find(|asset| asset.path == path)
}
