// Package explore runs the code of the shared-memory algorithms step by step in
// tests: it kills an operation at each of its steps, and tries the orders in
// which the steps of several can follow each other. It works with the build tag
// shmcheck only; without it the package is empty.
//
// A step is what lies between two calls of the hook of package satomic: one
// operation on a shared word, or the way from one to the next.
package explore
