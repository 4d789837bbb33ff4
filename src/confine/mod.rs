//! The one launcher: an app's environment and sandbox from its snap and its connections.
