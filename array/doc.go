// Package array has arrays that processes share: an Array of any type with a
// fixed layout, and an Atomic array of numbers.
package array
