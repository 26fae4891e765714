//! Distances between distributions, task metrics, intervals and paired tests.
