//! Makes the system equal to the store at start; `pinion check` is its dry run.
