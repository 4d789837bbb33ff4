//! The board: lines, LEDs, chips, who holds what, safe values, edge events.
