//go:build race

package satomic

// exchange says that a store is made by an exchange. The race detector replaces
// atomic operations by its own, and its stores are releases: a load after one may
// come before it. An exchange is ordered in both directions, as a store is in
// every other build.
const exchange = true
