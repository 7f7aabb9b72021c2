//! The door: the loop that decides, appends and carries out, one file per kind of order, and the HTTP wiring.
