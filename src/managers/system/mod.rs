//! Facts of the system that do not move while the agent runs.
