// Package litmus has one proof: for the shape of every publishing store and the
// load that relies on it, two or more processes run it over and over in shared
// memory, and outcomes that the memory model forbids must never be seen.
//
// Arrange for GOARCH=arm64 and an emulator in the environment variable
// SHOAL_RUNNER to start the children under it.
package litmus
