//! GitHub's language: git over http, artifacts.
