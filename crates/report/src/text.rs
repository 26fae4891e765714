//! Numbers, names and escaping: everything that turns a value into text.
