// Package explore runs the code of the shared-memory algorithms step by step in
// tests: it kills an operation at each of its steps, and tries the orders in
// which the steps of several can follow each other. It works with the build tag
// shmcheck only; without it the package is empty.
//
// A step is one operation on a shared word, or one call of the kernel to sleep or
// to wake, with all that the code does until the next.
package explore
