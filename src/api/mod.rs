//! The faces to the outside: sockets and dialects. Only here are wire names and codes known.
