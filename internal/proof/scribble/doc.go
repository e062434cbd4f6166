// Package scribble has the proofs that nothing which anybody writes into a
// segment, or cuts off its file, ends or hangs a process that uses it: the tests
// named TestProof. Processes do every operation of every object while another one
// writes over the segment's file, at random and where it hurts.
package scribble
