//! What the agent says to the outside: the accept loops, and one dialect per folder. Only here are wire names, HTTP
//! codes and `kind` strings known (invariant 2).

pub mod server;
pub mod v2;
