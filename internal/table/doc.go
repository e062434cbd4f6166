// Package table is a fixed number of mutexes that are allotted and given back by
// number.
//
// Each has a line of its own, a robust.Words, whose word says by one
// compare-and-swap both whether the number is taken and who holds the mutex: so
// taking a number and giving one back is one atomic each, leaves nothing for a
// repair, and nobody gets a mutex that was given back meanwhile. A handle is of
// one allotment (see robust.Allotment).
//
// A search begins behind the number that was taken last, so that numbers are used
// again late. A table is full only if it was at one instant: that is seen by
// looking at all numbers twice.
package table
