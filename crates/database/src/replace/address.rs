//! Network addresses in ranges that belong to nobody: 198.18.0.0/15 of RFC 2544 and 2001:db8::/32 of
//! RFC 3849.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::keyed::Keyed;

/// Of 17 bits for IPv4, so two may meet there; of 96 for IPv6.
pub(crate) fn replace(keyed: &Keyed, text: &str) -> String {
    let mut stream = keyed.bytes(b'a', text.as_bytes());
    let (address, mask) = text.split_once('/').map_or((text, ""), |(start, mask)| (start, mask));
    let slash = if mask.is_empty() { "" } else { "/" };
    if address.contains(':') {
        let mut segments = [0x2001, 0x0db8, 0, 0, 0, 0, 0, 0];
        for segment in &mut segments[2..] {
            *segment = u16::try_from(stream.below(1 << 16)).expect("sixteen bits");
        }
        return format!("{}{slash}{mask}", Ipv6Addr::from(segments));
    }
    let base = u32::from(Ipv4Addr::new(198, 18, 0, 0));
    format!("{}{slash}{mask}", Ipv4Addr::from(base + stream.below(1 << 17)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replace::keyed::MaskingKey;

    #[test]
    fn addresses_stay_addresses() {
        let keyed = MaskingKey::new([7; 32]).function("ip");
        for address in ["84.23.1.9", "2a01:4f8::1"] {
            let made = replace(&keyed, address);
            assert_eq!(made.contains(':'), address.contains(':'));
            assert!(made.parse::<std::net::IpAddr>().is_ok(), "{made}");
            assert_eq!(replace(&keyed, &format!("{address}/24")).split_once('/').unwrap().1, "24");
        }
    }
}
