//! The words of qnt9: ids, facts, commands, orders, refusals, and the door they pass through.
