// Package soak has many processes use all primitives at once while they are
// killed, stopped, continued, started, starved of memory, of descriptors and of
// room, and given clocks that disagree; and then checks the books. It has tests
// only: docs/verification.md says how to run it for longer.
package soak
