//! The command line: speaks to the agent only through the client.
