//! See the test targets of this package.
