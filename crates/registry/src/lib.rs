//! OCI's language: content-addressed image layouts and the releases made of them.
