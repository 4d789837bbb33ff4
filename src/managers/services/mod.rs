//! Apps that are daemons: started, stopped, watched, their logs.
