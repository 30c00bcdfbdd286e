//! The generic probe program: shared tables, decision core, BPF object, native build.
