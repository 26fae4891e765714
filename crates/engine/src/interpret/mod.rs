//! The candle interpreter.
