//go:build !race

package satomic

// exchange says that a store is made by an exchange.
const exchange = false
