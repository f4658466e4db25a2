//! Tests of the desk from within.
