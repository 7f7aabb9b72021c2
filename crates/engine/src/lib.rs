//! What happens next: decides commands, applies facts, derives orders. Pure.
