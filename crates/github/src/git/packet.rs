//! git's packets: four hexadecimal digits of length, themselves counted, and the content.

/// The end of a list.
pub(super) const FLUSH: &[u8; 4] = b"0000";
/// As much content as one packet carries.
const CONTENT_BYTES_MAX: usize = 65_516;

/// One of the three streams that share a connection once the client asked for `side-band-64k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Band {
    /// What the client's program reads.
    Data = 1,
    /// What the person at the client reads, `remote: ` in front.
    Talk = 2,
    /// The last words.
    Fatal = 3,
}

/// A packet. The content must fit into one.
pub(super) fn line(content: &[u8]) -> Vec<u8> {
    assert!(content.len() <= CONTENT_BYTES_MAX, "a packet of {} bytes", content.len());
    let mut packet = format!("{:04x}", content.len() + FLUSH.len()).into_bytes();
    packet.extend(content);
    packet
}

/// Content on one of the bands, in as many packets as it takes.
pub(super) fn on_band(band: Band, content: &[u8]) -> Vec<u8> {
    let packets = content.chunks(CONTENT_BYTES_MAX - 1).map(|part| {
        let mut banded = vec![band as u8];
        banded.extend(part);
        line(&banded)
    });
    packets.flatten().collect()
}

/// The first packet of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First<'a> {
    /// More bytes are needed to see it.
    Incomplete,
    /// The end of a list, and what comes behind it.
    Flush(&'a [u8]),
    /// A packet's content, and what comes behind it.
    Line(&'a [u8], &'a [u8]),
    /// No packet begins like this.
    Malformed,
}

pub(super) fn first(bytes: &[u8]) -> First<'_> {
    let Some((digits, rest)) = bytes.split_first_chunk::<4>() else { return First::Incomplete };
    let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
    match digits.and_then(|text| usize::from_str_radix(text, 16).ok()) {
        Some(0) => First::Flush(rest),
        Some(length @ 4..) if length <= CONTENT_BYTES_MAX + FLUSH.len() => rest
            .split_at_checked(length - FLUSH.len())
            .map_or(First::Incomplete, |(content, behind)| First::Line(content, behind)),
        _ => First::Malformed,
    }
}
