//! The data plane: threads, sockets, files and the clock.
