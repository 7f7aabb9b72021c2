//! A closed-loop load generator for a fixed scenario, its measurements and its verdict.
