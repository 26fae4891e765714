//! Statistics to quantization parameters: one file per calibration method.
