//! The control plane: HTTP API, CLI, metrics.
