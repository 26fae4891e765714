//! The calibench harness.
