// Package linear has one proof: processes operate at random on one object and
// are killed meanwhile, each writes down what it called and what it got, and a
// checker looks for an order of these operations, no operation before its call
// or after its return, in which a simple model of the object answers the same.
package linear
