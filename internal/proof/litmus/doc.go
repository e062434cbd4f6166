// Package litmus has one proof: for the shape of every publishing store and the
// load that relies on it, two or more processes run it over and over in shared
// memory, and outcomes that the memory model forbids must never be seen.
//
// With the environment variable SHOAL_EMULATOR set it knows that it does not run
// on the processor itself, and lets pass what the emulator is known to do wrong.
package litmus
