// Package ring is the core of a queue: messages as bytes, in a ring of slots whose
// own words say everything that is true of them. A slot is claimed in the order of
// its position by one compare-and-swap that names the owner; the positions in the
// header are hints. What a dead participant had claimed is therefore found by its
// name in the slots: a message half written is passed over, one that was not
// acknowledged is delivered again. See word.go for the states.
package ring
