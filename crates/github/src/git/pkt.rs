//! Packet lines: four hexadecimal digits of length, which count themselves, and the data.

/// The packet that ends a list.
pub(super) const FLUSH: &[u8] = b"0000";
/// The longest data of one packet with a band's number before it.
const BAND_BYTES_MAX: usize = 65_515;

/// One packet.
pub(super) fn line(data: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", data.len() + 4).into_bytes();
    packet.extend_from_slice(data);
    packet
}

/// Packets on band 2, which git shows its user with `remote: ` before each line.
pub(super) fn remark(text: &str) -> Vec<u8> {
    let mut data = text.as_bytes().to_vec();
    data.push(b'\n');
    let bands = data.chunks(BAND_BYTES_MAX).map(|chunk| line(&[b"\x02", chunk].concat()));
    bands.collect::<Vec<_>>().concat()
}

/// What stands at the head of a stream of packets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head<'a> {
    /// The packets before the first flush.
    Packets(Vec<&'a [u8]>),
    /// The flush has not come yet.
    Incomplete,
    /// These are no packets.
    Wrong,
}

/// Reads the packets before the first flush.
pub(super) fn head(bytes: &[u8]) -> Head<'_> {
    let mut packets = Vec::new();
    let mut rest = bytes;
    loop {
        let Some((length, _)) = rest.split_at_checked(4) else { return Head::Incomplete };
        let length = std::str::from_utf8(length).ok().and_then(|l| usize::from_str_radix(l, 16).ok());
        match length {
            Some(0) => return Head::Packets(packets),
            Some(length) if length >= 4 => {
                let Some((packet, after)) = rest.split_at_checked(length) else {
                    return Head::Incomplete;
                };
                packets.push(&packet[4..]);
                rest = after;
            }
            _ => return Head::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_up_to_the_flush_and_no_further() {
        let bytes = [line(b"one"), line(b""), FLUSH.to_vec(), b"PACK".to_vec()].concat();
        assert_eq!(head(&bytes), Head::Packets(vec![b"one", b""]));
        for cut in 0..bytes.len() - 4 {
            assert_eq!(head(&bytes[..cut]), Head::Incomplete, "cut at {cut}");
        }
        assert_eq!(head(b"00zz"), Head::Wrong);
        assert_eq!(head(b"0003"), Head::Wrong);
    }

    #[test]
    fn a_remark_is_a_packet_of_band_two() {
        assert_eq!(remark("hello"), b"000b\x02hello\n");
        assert_eq!(remark(&"x".repeat(70_000)).len(), 70_001 + 2 * 5);
    }
}
