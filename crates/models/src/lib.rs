//! Built-in models as graph builders, and their training.
