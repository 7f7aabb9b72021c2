//! What is stored for ever must stay readable for ever, and what people are told is read as code.

mod golden;
mod refusals;
mod sealing;
