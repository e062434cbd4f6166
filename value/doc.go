// Package value has values that processes share: a Value of any type with a
// fixed layout, which is read without a lock and never half written, and an
// Atomic number.
//
// Both outlive every process: one that is killed at any instruction leaves the
// old value or the new one, and nobody waits for it.
package value
